//! Weight decay on real data: which λ it is, when it is the same as L2, and when it is not. Run it with
//!
//! ```text
//! cargo run --release --example weight_decay
//! ```
//!
//! The prostate cancer data of The Elements of Statistical Learning (67 rows to fit, 30 to judge), columns standardised, b centred.

use wellposed::descent::{Adam, Decay, Descent, GradientDescent, Scaling, Sgd};
use wellposed::{DenseView, Lambda, Problem, Result, ridge};

const NAMES: [&str; 8] = ["lcavol", "lweight", "age", "lbph", "svi", "lcp", "gleason", "pgg45"];

/// The weight decay of an optimizer on the mean squared error, `torch.nn.MSELoss()`.
const DECAY: f64 = 0.2;

fn main() -> Result<()> {
    let data = Data::read();
    let (a, b) = (DenseView::row_major(&data.a, data.b.len(), 8)?, data.b.as_slice());
    let rows = b.len();

    heading("1. Coupled decay is ridge");
    let lambda = Lambda::weight_decay(DECAY, Scaling::MeanSquared.loss(rows));
    println!("decay {DECAY} beside a mean over {rows} rows is λ = {DECAY}·{rows}/2 = {:.3}", lambda.value());
    let fit = ridge(&a, b, lambda)?;
    let coupled = Decay::coupled(DECAY);
    let plain = GradientDescent::new().decay(coupled.clone()).run(&a, b)?;
    let nesterov = GradientDescent::new().decay(coupled.clone()).nesterov(0.7).run(&a, b)?;
    let adam = Adam::new().step(0.02).decreasing(500).epochs(40_000);
    let adam_l2 = adam.clone().decay(coupled.clone()).run(&a, b)?;
    table(&[("ridge", &fit.x), ("gradient", &plain.x), ("Nesterov", &nesterov.x), ("Adam, L2", &adam_l2.x)]);
    for (name, run) in [("gradient descent", &plain), ("Nesterov", &nesterov), ("Adam, L2 in the gradient", &adam_l2)] {
        report(name, run, &fit.x);
    }

    heading("2. Decoupled decay: the same for SGD, another answer for Adam");
    let decoupled = Decay::decoupled(DECAY);
    let sgdw = GradientDescent::new().decay(decoupled.clone()).run(&a, b)?;
    let momentum = GradientDescent::new().decay(decoupled.clone()).heavy_ball(0.9).run(&a, b)?;
    let adamw = adam.clone().decay(decoupled.clone()).run(&a, b)?;
    let squares = ridge(&a, b, 0.0)?;
    table(&[("ridge", &fit.x), ("SGDW", &sgdw.x), ("β = 0.9", &momentum.x), ("AdamW", &adamw.x), ("λ = 0", &squares.x)]);
    report("gradient descent", &sgdw, &fit.x);
    report("with momentum 0.9", &momentum, &ridge(&a, b, 0.1 * lambda.value())?.x);
    report("AdamW", &adamw, &fit.x);
    println!(
        "With momentum β the decay beside it counts 1 − β: λ = {:.3}. AdamW hardly shrinks while decay·|x| < 1:",
        0.1 * lambda.value()
    );
    println!("it is {:.1e} from least squares, relative to its norm.", distance(&adamw.x, &squares.x));

    heading("3. Stopping early is a filter");
    println!("After k steps of size η on ½‖Ax − b‖², x = Σ φᵢ·(uᵢᵀb/σᵢ)·vᵢ with φ = 1 − (1 − ησ²)ᵏ; ridge has φ = σ²/(σ² + λ).");
    let spectrum = Problem::new(&a).factorize()?.spectrum(b)?;
    let half = GradientDescent::new().loss(Scaling::HalfSumSquared);
    let held_out = DenseView::row_major(&data.test_a, data.test_b.len(), 8)?;
    let stopped = half.run_held_out(&a, b, &held_out, &data.test_b, 200)?;
    let effective = stopped.effective.map_or(f64::NAN, |effective| effective.lambda);
    let steps = stopped.best_step;
    println!(
        "Least error on the 30 rows held out: step {steps}, η = {:.3e}; 1/ηk = {:.2}, and x is nearest to the ridge solution of λ = {effective:.2}.\n",
        stopped.step,
        1.0 / (stopped.step * steps as f64)
    );
    println!("{:>10} {:>12} {:>12} {:>12}", "σ", "1−(1−ησ²)ᵏ", "measured", "ridge");
    // measured on the problem of that one direction, whose least-squares solution is 1
    for &value in &spectrum.values {
        let formula = 1.0 - (1.0 - stopped.step * value * value).powi(steps as i32);
        let entry = [value];
        let single = DenseView::column_major(&entry, 1, 1)?;
        let measured = half.clone().step(stopped.step).steps(steps).run(&single, &[value])?;
        println!("{value:>10.4} {formula:>12.6} {:>12.6} {:>12.6}", measured.x[0], value * value / (value * value + effective));
    }
    let same = ridge(&a, b, effective)?;
    println!(
        "\nHeld-out mean squared error: stopped {:.4}, ridge at that λ {:.4}, least squares {:.4}",
        data.error(&stopped.x),
        data.error(&same.x),
        data.error(&squares.x)
    );

    heading("4. Rows that pass by");
    // blocks of equal size: a stream does not know that a shorter one should count less
    let (passing, targets) = (&data.a[..64 * 8], &b[..64]);
    let blocks = (0..3000).flat_map(|_| passing.chunks(8 * 8).zip(targets.chunks(8)));
    let blocks = blocks.filter_map(|(a, b)| Some((DenseView::row_major(a, 8, 8).ok()?, b)));
    let stream = Sgd::new().step(0.05).decreasing(400).decay(coupled).stream(8, blocks)?;
    let lambda = Lambda::weight_decay(DECAY, Scaling::MeanSquared.loss(64));
    let fit = ridge(&DenseView::row_major(passing, 64, 8)?, targets, lambda)?;
    println!(
        "SGD after {} blocks of 8 of the first 64 rows: {:.1e} from their ridge solution, relative to its norm.",
        stream.steps,
        distance(&stream.x, &fit.x)
    );
    Ok(())
}

struct Data {
    a: Vec<f64>,
    b: Vec<f64>,
    test_a: Vec<f64>,
    test_b: Vec<f64>,
}

impl Data {
    fn read() -> Self {
        let number = |field: &str| field.trim().parse::<f64>().unwrap_or(f64::from(u8::from(field.trim() == "T")));
        let rows: Vec<Vec<f64>> =
            include_str!("../data/prostate.tsv").lines().skip(1).map(|line| line.split('\t').map(number).collect()).collect();
        let (train, test): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[10] == 1.0);
        let scale: Vec<(f64, f64)> = (1..=9).map(|j| mean_and_deviation(train.iter().map(|row| row[j]))).collect();
        let a = |rows: &[Vec<f64>]| -> Vec<f64> {
            rows.iter().flat_map(|row| (0..8).map(|j| (row[j + 1] - scale[j].0) / scale[j].1).collect::<Vec<_>>()).collect()
        };
        let b = |rows: &[Vec<f64>]| -> Vec<f64> { rows.iter().map(|row| row[9] - scale[8].0).collect() };
        Self { a: a(&train), b: b(&train), test_a: a(&test), test_b: b(&test) }
    }

    /// Mean squared error on the rows held out.
    fn error(&self, x: &[f64]) -> f64 {
        let one = |(row, b): (&[f64], &f64)| (row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>() - b).powi(2);
        self.test_a.chunks(8).zip(&self.test_b).map(one).sum::<f64>() / self.test_b.len() as f64
    }
}

fn mean_and_deviation(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (mean, (values.map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt())
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut x.iter().zip(y).map(|(x, y)| x - y)) / norm(&mut y.iter().copied())
}

fn report(name: &str, run: &Descent<f64>, expected: &[f64]) {
    let decay = run.decay_lambda.map_or("none".to_owned(), |lambda| format!("{lambda:.3}"));
    let (lambda, misfit) = run.effective.map_or((f64::NAN, f64::NAN), |e| (e.lambda, e.misfit));
    println!(
        "{name:<26} {:>6} steps; ends at λ = {decay}; x stands for λ = {lambda:.3} (misfit {misfit:.0e}); {:.0e} from that ridge solution",
        run.steps,
        distance(&run.x, expected)
    );
}

fn table(columns: &[(&str, &Vec<f64>)]) {
    println!();
    print!("{:>10}", "");
    columns.iter().for_each(|(name, _)| print!(" {name:>10}"));
    println!();
    for (j, name) in NAMES.iter().enumerate() {
        print!("{name:>10}");
        columns.iter().for_each(|(_, x)| print!(" {:>10.5}", x[j]));
        println!();
    }
    println!();
}

fn heading(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.chars().count()));
}
