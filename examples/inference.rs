//! How far can a ridge fit be trusted? Prostate cancer data: standard errors, intervals, influential patients, predictions. Run it with
//!
//! ```text
//! cargo run --release --example inference
//! ```
use wellposed::{DenseView, Loo, Penalty, Problem, Result};

const NAMES: [&str; 8] = ["lcavol", "lweight", "age", "lbph", "svi", "lcp", "gleason", "pgg45"];

fn main() -> Result<()> {
    let (a, b) = prostate();
    let rows = b.len();
    let a = DenseView::row_major(&a, rows, 8)?;
    let scale: Vec<f64> = (0..8).map(|j| deviation(&(0..rows).filter_map(|i| a.get(i, j)).collect::<Vec<f64>>())).collect();

    println!("1. Least squares: {rows} patients, eight measures, the logarithm of PSA. Without λ there are p-values.\n");
    let plain = Problem::new(&a).intercept().inference(&b, 0.0)?.names(NAMES);
    println!("{plain}");

    println!(
        "2. Ridge, λ by leave-one-out, each column counted in its standard deviation. x is biased on purpose now: the\n   posterior's intervals contain that bias, and p-values would not mean what they say.\n"
    );
    let problem = Problem::new(&a).intercept().penalty(Penalty::diagonal(&scale));
    let ridge = problem.inference(&b, Loo)?.names(NAMES);
    println!("{ridge}");
    println!("   A t-test is refused: {}\n", ridge.t_tests().map(|_| String::new()).unwrap_or_else(|error| error.to_string()));

    println!("3. Does the noise differ from patient to patient? Standard errors that allow for it (HC3) beside the usual ones:\n");
    println!("   {:10} {:>10} {:>10}", "", "usual", "HC3");
    for (name, coefficient) in NAMES.iter().zip(&ridge.coefficients) {
        let hc3 = coefficient.heteroscedastic.hc3.unwrap_or(f64::NAN);
        println!("   {name:10} {:>10.4} {hc3:>10.4}", coefficient.standard_error);
    }

    println!("\n4. The patients whose data move the fit most (Cook's distance):\n");
    println!("   {:>7} {:>10} {:>10} {:>12} {:>10}", "patient", "leverage", "residual", "studentized", "Cook");
    let mut order: Vec<usize> = (0..rows).collect();
    let cook = |i: usize| ridge.rows[i].cooks_distance.unwrap_or(f64::INFINITY);
    order.sort_by(|&i, &j| cook(j).total_cmp(&cook(i)));
    for &i in &order[..4] {
        let row = &ridge.rows[i];
        let studentized = row.studentized_externally.unwrap_or(f64::NAN);
        println!("   {:>7} {:>10.3} {:>10.3} {studentized:>12.2} {:>10.3}", i + 1, row.leverage, row.residual, cook(i));
    }

    println!("\n5. A new patient, with the first one's measures:\n");
    let patient: Vec<f64> = (0..8).filter_map(|j| a.get(0, j)).collect();
    let prediction = ridge.prediction(&patient, 0.9)?;
    let ((low, high), (least, most)) = (prediction.credible, prediction.interval);
    println!(
        "   log PSA {:.2}; patients like this average {low:.2} to {high:.2}, one of them has {least:.2} to {most:.2} (90 %)",
        prediction.value
    );
    println!("   (the first patient of the data had {:.2})", b[0]);
    Ok(())
}

fn prostate() -> (Vec<f64>, Vec<f64>) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for line in include_str!("../data/prostate.tsv").lines().skip(1) {
        let row: Vec<f64> = line.split('\t').filter_map(|field| field.trim().parse().ok()).collect();
        a.extend(&row[1..9]);
        b.push(row[9]);
    }
    (a, b)
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}
