//! Rows that come in blocks: the same answers as all rows at once, for any split, order of merges, window and way of storing.

mod common;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use wellposed::rows::Window;
use wellposed::{
    Aicc, DenseView, Discrepancy, Error, Evidence, Gcv, KFold, Loo, Lsmr, Method, Ncp, Penalty, Problem, Rows, Scalar, SparseView, Upre,
    c64,
};

/// SplitMix64: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // the sum of two is bell-shaped enough
        let bits = z ^ (z >> 31);
        (bits >> 40) as f64 / (1u64 << 24) as f64 + (bits & 0xff_ffff) as f64 / (1u64 << 24) as f64 - 1.0
    }
    fn list(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// m×n by rows, columns with a mean and a scale of their own, b = A·(1, −2, 3, …) + 4 + noise.
fn data(seed: u64, m: usize, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut numbers = Numbers(seed);
    let mut a = numbers.list(m * n);
    for row in a.chunks_mut(n.max(1)) {
        for (j, value) in row.iter_mut().enumerate() {
            *value = *value * (1.0 + j as f64) + 0.7 * j as f64;
        }
    }
    let truth = |j: usize| if j.is_multiple_of(2) { 1.0 + j as f64 } else { -1.0 - j as f64 };
    let b = (0..m).map(|i| 4.0 + (0..n).map(|j| a[i * n + j] * truth(j)).sum::<f64>() + 0.3 * numbers.next()).collect();
    (a, b)
}

fn pushed(a: &[f64], b: &[f64], n: usize, cuts: &[usize]) -> Rows<f64> {
    let mut rows = Rows::new(n);
    let mut start = 0;
    for &end in cuts.iter().chain([&b.len()]) {
        rows.push(&DenseView::row_major(&a[start * n..end * n], end - start, n).unwrap(), &b[start..end]).unwrap();
        start = end;
    }
    rows
}

#[track_caller]
fn close(x: &[f64], y: &[f64], relative: f64) {
    let size = y.iter().map(|v| v * v).sum::<f64>().sqrt();
    let distance = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt();
    assert!(x.len() == y.len() && distance <= relative * size, "{x:?} is not {y:?}: {:e}", distance / size);
}

#[track_caller]
fn near(x: f64, y: f64, relative: f64) {
    assert!((x - y).abs() <= relative * y.abs(), "{x} is not {y}: {:e}", (x - y).abs() / y.abs());
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(60))]

    /// The law: any split into blocks gives the batch fit, with everything said afterwards.
    #[test]
    fn any_split_is_the_batch_fit(
        seed in any::<u64>(),
        m in 12usize..400,
        n in 1usize..7,
        cuts in prop::collection::vec(0.0f64..1.0, 0..12),
        intercept in any::<bool>(),
        smooth in any::<bool>(),
        prior in any::<bool>(),
        lambda in -6.0f64..3.0,
    ) {
        let (a, b) = data(seed, m, n);
        let mut cuts: Vec<usize> = cuts.iter().map(|c| (c * m as f64) as usize).collect();
        cuts.sort_unstable();
        let lambda = 10f64.powf(lambda);
        let view = DenseView::row_major(&a, m, n).unwrap();
        let mut batch = Problem::new(&view);
        let mut stream = pushed(&a, &b, n, &cuts).problem();
        if intercept {
            (batch, stream) = (batch.intercept(), stream.intercept());
        }
        if smooth {
            (batch, stream) = (batch.penalty(Penalty::first_difference()), stream.penalty(Penalty::first_difference()));
        }
        if prior {
            let mean: Vec<f64> = (0..n).map(|j| 0.5 * j as f64).collect();
            (batch, stream) = (batch.prior_mean(&mean), stream.prior_mean(&mean));
        }
        let (batch, stream) = (batch.solve(&b, lambda).unwrap(), stream.solve(lambda).unwrap());
        close(&stream.x, &batch.x, 1e-12);
        near(stream.residual_norm, batch.residual_norm, 1e-11);
        near(stream.dof.unwrap(), batch.dof.unwrap(), 1e-11);
        if batch.penalty_norm > 1e-10 {
            near(stream.penalty_norm, batch.penalty_norm, 1e-10);
        }
        prop_assert!((stream.intercept - batch.intercept).abs() <= 1e-11);
    }

    /// (R₁ ∪ R₂) ∪ R₃ = R₁ ∪ (R₂ ∪ R₃) = R₃ ∪ R₁ ∪ R₂.
    #[test]
    fn merging_is_associative(seed in any::<u64>(), sizes in prop::array::uniform3(0usize..60), n in 1usize..6) {
        let parts: Vec<Rows<f64>> = sizes.iter().enumerate().map(|(k, &m)| {
            let (a, b) = data(seed.wrapping_add(k as u64), m, n);
            pushed(&a, &b, n, &[])
        }).collect();
        let merged = |order: [usize; 3]| {
            let mut all = parts[order[0]].clone();
            all.merge(&parts[order[1]]).unwrap();
            all.merge(&parts[order[2]]).unwrap();
            all
        };
        let left = merged([0, 1, 2]);
        let mut right = parts[1].clone();
        right.merge(&parts[2]).unwrap();
        let mut first = parts[0].clone();
        first.merge(&right).unwrap();
        let x = |rows: &Rows<f64>| rows.problem().solve(0.1).unwrap().x;
        close(&x(&first), &x(&left), 1e-12);
        close(&x(&merged([2, 0, 1])), &x(&left), 1e-12);
        prop_assert_eq!(first.count(), sizes.iter().sum::<usize>());
    }

    /// Bytes that were altered anywhere are refused; arbitrary bytes never panic.
    #[test]
    fn altered_bytes_are_refused(seed in any::<u64>(), place in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let (a, b) = data(seed, 9, 3);
        let bytes = pushed(&a, &b, 3, &[4]).to_bytes();
        let mut altered = bytes.clone();
        let place = place.index(altered.len());
        altered[place] ^= 1 << bit;
        let refused = matches!(Rows::<f64, Vec<f64>>::from_bytes(&altered), Err(Error::Unreadable { .. }));
        prop_assert!(refused);
        let cut = cut.index(bytes.len());
        let refused = matches!(Rows::<f64, Vec<f64>>::from_bytes(&bytes[..cut]), Err(Error::Unreadable { .. }));
        prop_assert!(refused);
    }

    /// What carries a right checksum and says wrong things is refused, too, and asks for no memory.
    #[test]
    fn lies_with_a_right_checksum_are_refused(fields in prop::array::uniform6(prop_oneof![0u64..6, any::<u64>()]), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = pushed(&[1.0, 2.0], &[1.0, 2.0], 1, &[]).to_bytes();
        bytes.truncate(24);
        fields.iter().for_each(|field| bytes.extend_from_slice(&field.to_le_bytes()));
        bytes.extend_from_slice(&body);
        let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        bytes.extend_from_slice(&sum.to_le_bytes());
        if let Ok(rows) = Rows::<f64, DenseView<'static, f64>>::from_bytes(&bytes) {
            // what is accepted can be solved
            prop_assert!(rows.columns() < 1 << 22);
            if rows.columns() < 100 {
                let _ = rows.problem().solve(1.0);
            }
        }
    }
}

/// λ, norms and criterion of rules are those of all rows: m is the true number of rows, not that of the triangle.
#[test]
fn rules_count_all_rows() {
    let (m, n) = (5000, 6);
    let (a, b) = data(3, m, n);
    let view = DenseView::row_major(&a, m, n).unwrap();
    let rows = pushed(&a, &b, n, &[10, 11, 3000]);
    let noise = Discrepancy::noise_norm(1.2 * Problem::new(&view).intercept().solve(&b, 0.0).unwrap().residual_norm);
    for intercept in [false, true] {
        let batch = Problem::new(&view).method(Method::Svd);
        let batch = if intercept { batch.intercept() } else { batch };
        let stream = || if intercept { rows.problem().intercept() } else { rows.problem() };
        let factor = stream().factorize().unwrap();
        assert_eq!(factor.plan().rows, m);
        let mut choices: Vec<wellposed::Choice> =
            vec![Gcv.into(), Gcv.robust(0.3).into(), Evidence.into(), Aicc.into(), Upre::estimated().into()];
        if intercept {
            choices.push(noise.into());
        }
        for choice in choices {
            let expected = batch.solve(&b, choice).unwrap();
            for found in [stream().solve(choice).unwrap(), factor.solve(choice).unwrap()] {
                near(found.lambda, expected.lambda, 1e-6);
                near(found.residual_norm, expected.residual_norm, 1e-9);
                near(found.dof.unwrap(), expected.dof.unwrap(), 1e-8);
                near(found.report.criteria[0].value, expected.report.criteria[0].value, 1e-6);
                close(&found.x, &expected.x, 1e-8);
            }
        }
        let (found, expected) = (factor.curve([1e-3, 1.0, 1e3]).unwrap(), batch.factorize().unwrap().curve(&b, [1e-3, 1.0, 1e3]).unwrap());
        for (found, expected) in found.iter().zip(&expected) {
            near(found.gcv, expected.gcv, 1e-10);
            near(found.penalty_norm, expected.penalty_norm, 1e-10);
        }
        let path = stream().path([0.1, 10.0]).unwrap();
        close(&path[1].x, &batch.solve(&b, 10.0).unwrap().x, 1e-11);
        assert_eq!(factor.spectrum().unwrap().unpenalised, usize::from(intercept));
    }
}

/// Rules that look at single rows are refused, and say what to do; the comparison has them as errors.
#[test]
fn rules_that_need_rows_are_refused() {
    let (a, b) = data(1, 40, 3);
    let rows = pushed(&a, &b, 3, &[]);
    let factor = rows.factorize().unwrap();
    for rule in [wellposed::Rule::from(Loo), KFold::new(5).into(), Ncp.into(), KFold::new(4).one_standard_error().into()] {
        for error in [rows.problem().solve(rule).unwrap_err(), factor.solve(rule).unwrap_err(), rows.problem().plan(rule).unwrap_err()] {
            assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains("keep the rows"), "{error}");
        }
    }
    let comparison = factor.compare_rules().unwrap();
    let loo = comparison.rows.iter().find(|row| row.name == "leave-one-out").unwrap();
    assert!(loo.choice.as_ref().unwrap_err().to_string().contains("merged as they came"));
    assert!(comparison.rows.iter().filter(|row| row.choice.is_ok()).count() > 8);
    assert!(factor.compare_among([Gcv]).unwrap().rows[0].choice.is_ok());
    for penalty in [Penalty::identity().l1(), Penalty::identity().elastic_net(0.5), Penalty::first_difference().l1()] {
        let problem = rows.problem().intercept().penalty(penalty);
        let errors = [
            problem.solve(1.0).unwrap_err(),
            problem.solve(Gcv).unwrap_err(),
            problem.path([1.0]).unwrap_err(),
            problem.plan(1.0).unwrap_err(),
            problem.factorize().unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.to_string().contains("keep the rows")), "{errors:?}");
    }
    let error = rows.problem().method(Lsmr::new()).solve(1.0).unwrap_err();
    assert!(error.to_string().contains("merged as they came"), "{error}");
}

/// Integer weights are repeated rows; a noise level is a weight for all.
#[test]
fn weights_are_repeated_rows() {
    let (m, n) = (300, 4);
    let (a, b) = data(8, m, n);
    let weights: Vec<f64> = (0..m).map(|i| 1.0 + (i % 3) as f64).collect();
    let (mut weighted, mut repeated) = (Rows::new(n), Rows::new(n));
    for start in (0..m).step_by(50) {
        let view = DenseView::row_major(&a[start * n..(start + 50) * n], 50, n).unwrap();
        weighted.push_weighted(&view, &b[start..start + 50], &weights[start..start + 50]).unwrap();
    }
    for i in 0..m {
        for _ in 0..weights[i] as usize {
            repeated.push(&DenseView::row_major(&a[i * n..(i + 1) * n], 1, n).unwrap(), &b[i..i + 1]).unwrap();
        }
    }
    let (found, expected) = (weighted.problem().intercept().solve(0.7).unwrap(), repeated.problem().intercept().solve(0.7).unwrap());
    close(&found.x, &expected.x, 1e-12);
    near(found.intercept, expected.intercept, 1e-12);
    near(found.residual_norm, expected.residual_norm, 1e-12);
    let view = DenseView::row_major(&a, m, n).unwrap();
    let batch = Problem::new(&view).weights(&weights).noise_std(&[0.3]).intercept();
    let (found, expected) = (weighted.problem().noise_std(0.3).intercept(), batch);
    let (found, expected) = (found.solve(Discrepancy::whitened()).unwrap(), expected.solve(&b, Discrepancy::whitened()).unwrap());
    near(found.lambda, expected.lambda, 1e-8);
    close(&found.x, &expected.x, 1e-10);
}

/// Large blocks on several threads, well and badly conditioned: a Vandermonde-like A loses the digits in a Gram matrix.
#[test]
fn large_blocks_keep_the_digits() {
    let (m, n) = (60_000, 8);
    let (mut a, b) = data(5, m, n);
    for case in 0..2 {
        if case == 1 {
            for (i, row) in a.chunks_mut(n).enumerate() {
                let t = i as f64 / m as f64;
                row.iter_mut().enumerate().for_each(|(j, value)| *value = t.powi(j as i32 + 1));
            }
        }
        let view = DenseView::row_major(&a, m, n).unwrap();
        let expected = Problem::new(&view).method(Method::Svd).intercept().solve(&b, 1e-9).unwrap();
        for threads in [1, 2, 5] {
            // a block of few of the rows has powers that are dependent to working precision: what is left of them there still counts
            for block in [m, 20_000, 7_000] {
                let mut rows = Rows::new(n).threads(threads);
                for (a, b) in a.chunks(block * n).zip(b.chunks(block)) {
                    rows.push(&DenseView::row_major(a, b.len(), n).unwrap(), b).unwrap();
                }
                let found = rows.problem().intercept().solve(1e-9).unwrap();
                // the powers have a condition near 1e6: ε·κ² would leave 4 digits, and ε·κ leaves 10
                close(&found.x, &expected.x, if case == 0 { 1e-12 } else { 1e-8 });
                near(found.residual_norm, expected.residual_norm, 1e-12);
            }
        }
    }
}

/// The rank of A is that of all rows.
#[test]
fn a_deficient_a() {
    let (m, n) = (30_000, 5);
    let (mut a, b) = data(6, m, n);
    for row in a.chunks_mut(n) {
        row[4] = row[1] - row[3];
    }
    let rows = pushed(&a, &b, n, &[100, 9000, 9001]);
    let view = DenseView::row_major(&a, m, n).unwrap();
    for intercept in [false, true] {
        let (stream, batch) = (rows.problem().method(Method::Svd), Problem::new(&view).method(Method::Svd));
        let (stream, batch) = if intercept { (stream.intercept(), batch.intercept()) } else { (stream, batch) };
        let (found, expected) = (stream.solve(0.0).unwrap(), batch.solve(&b, 0.0).unwrap());
        assert_eq!((found.rank, expected.rank), (Some(4), Some(4)));
        close(&found.x, &expected.x, 1e-11);
    }
}

/// A block of 1e8 that has left leaves nothing behind: the window is a refit.
#[test]
fn a_window_forgets() {
    let (n, length, size) = (4, 6, 9);
    let mut window = Window::new(n, length);
    let mut inside: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for step in 0..30u64 {
        let (mut a, mut b) = data(step, size, n);
        if step % 10 == 3 {
            a.iter_mut().chain(&mut b).for_each(|v| *v *= 1e8);
        }
        let view = DenseView::row_major(&a, size, n).unwrap();
        let weights = vec![2.0; size];
        window.push_weighted(&view, &b, &weights).unwrap();
        inside.push((a, b));
        if inside.len() > length {
            inside.remove(0);
        }
        if inside.iter().any(|(a, _)| a[0].abs() > 1e6) {
            continue;
        }
        assert_eq!((window.blocks(), window.rows().count()), (inside.len(), inside.len() * size));
        let a: Vec<f64> = inside.iter().flat_map(|(a, _)| a.iter().copied()).collect();
        let b: Vec<f64> = inside.iter().flat_map(|(_, b)| b.iter().copied()).collect();
        let view = DenseView::row_major(&a, b.len(), n).unwrap();
        let expected = Problem::new(&view).weights(&vec![2.0; b.len()]).intercept().solve(&b, 0.3).unwrap();
        let found = window.problem().intercept().solve(0.3).unwrap();
        close(&found.x, &expected.x, 1e-12);
        near(found.residual_norm, expected.residual_norm, 1e-12);
    }
    (0..10).for_each(|_| window.forget_oldest());
    assert_eq!((window.blocks(), window.rows().count()), (0, 0));
    assert_eq!(window.problem().solve(1.0).unwrap().x, vec![0.0; n]);
    let error = Window::<f64>::new(2, 0).push(&DenseView::row_major(&[1.0, 2.0], 1, 2).unwrap(), &[1.0]).unwrap_err();
    assert!(error.to_string().contains("at least 1 block"), "{error}");
}

/// γᵗ as weights, in a window: of blocks in the older stack, in the newer one and in both, after large ones have left.
#[test]
fn a_window_that_forgets_has_weights() {
    let (n, size, length, gamma) = (3, 4, 5, 0.6f64);
    let mut window = Window::new(n, length).forgetting(gamma);
    let mut inside: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for step in 0..22u64 {
        let (mut a, mut b) = data(step, size, n);
        if step == 4 {
            a.iter_mut().chain(&mut b).for_each(|v| *v *= 1e8);
        }
        window.push(&DenseView::row_major(&a, size, n).unwrap(), &b).unwrap();
        inside.push((a, b));
        if inside.len() > length {
            inside.remove(0);
        }
        if inside.iter().any(|(a, _)| a[0].abs() > 1e6) {
            continue;
        }
        let a: Vec<f64> = inside.iter().flat_map(|(a, _)| a.iter().copied()).collect();
        let b: Vec<f64> = inside.iter().flat_map(|(_, b)| b.iter().copied()).collect();
        let weights: Vec<f64> = (0..b.len()).map(|i| gamma.powi((inside.len() - 1 - i / size) as i32)).collect();
        near(window.rows().effective_rows(), weights.iter().sum(), 1e-14);
        let view = DenseView::row_major(&a, b.len(), n).unwrap();
        let expected = Problem::new(&view).weights(&weights).intercept().solve(&b, 0.05).unwrap();
        close(&window.problem().intercept().solve(0.05).unwrap().x, &expected.x, 1e-11);
    }
    let block = DenseView::row_major(&[1.0, 2.0], 1, 2).unwrap();
    for bad in [0.0, 1.5, f64::NAN] {
        let error = Window::<f64>::new(2, 3).forgetting(bad).push(&block, &[1.0]).unwrap_err();
        assert!(error.to_string().contains("the forgetting factor"), "{error}");
    }
}

/// γᵗ as weights, for blocks that wait in the buffer and for blocks that do not.
#[test]
fn forgetting_is_a_weight() {
    let n = 3;
    for (gamma, size, blocks) in [(0.9f64, 2, 40), (0.5, 1, 60), (0.99, 700, 5), (1e-3, 4, 6)] {
        let m = size * blocks;
        let (a, b) = data(9, m, n);
        let mut rows = Rows::new(n).forgetting(gamma);
        for t in 0..blocks {
            let view = DenseView::row_major(&a[t * size * n..(t + 1) * size * n], size, n).unwrap();
            rows.push(&view, &b[t * size..(t + 1) * size]).unwrap();
        }
        let weights: Vec<f64> = (0..m).map(|i| gamma.powi((blocks - 1 - i / size) as i32)).collect();
        near(rows.effective_rows(), weights.iter().sum(), 1e-12);
        assert_eq!(rows.count(), m);
        let view = DenseView::row_major(&a, m, n).unwrap();
        let expected = Problem::new(&view).weights(&weights).intercept().solve(&b, 0.05).unwrap();
        let found = rows.problem().intercept().solve(0.05).unwrap();
        close(&found.x, &expected.x, 1e-11);
        near(found.residual_norm, expected.residual_norm, 1e-11);
        // stored and merged, the weights are what they were
        let stored: Rows<f64> = Rows::from_bytes(&rows.to_bytes()).unwrap();
        let mut merged: Rows<f64> = Rows::new(n);
        merged.merge(&stored).unwrap();
        close(&merged.problem().intercept().solve(0.05).unwrap().x, &expected.x, 1e-11);
    }
    for bad in [0.0, -1.0, 1.5, f64::NAN] {
        let error = Rows::new(1).forgetting(bad).push(&DenseView::column(&[1.0]), &[1.0]).unwrap_err();
        assert!(error.to_string().contains("forgetting factor"), "{error}");
    }
}

/// Several right-hand sides, complex numbers, f32, sparse blocks.
#[test]
fn scalars_and_containers() {
    let (m, n) = (400, 3);
    let mut numbers = Numbers(2);
    let a: Vec<c64> = (0..m * n).map(|_| c64::new(numbers.next(), numbers.next())).collect();
    let b: Vec<c64> = (0..2 * m).map(|_| c64::new(numbers.next() + 1.0, numbers.next())).collect();
    let (view, data) = (DenseView::row_major(&a, m, n).unwrap(), DenseView::column_major(&b, m, 2).unwrap());
    let mut rows = Rows::with_right_hand_sides(n, 2);
    rows.push(&view, &data).unwrap();
    let (found, expected) = (rows.problem().intercept().solve(0.2).unwrap(), Problem::new(&view).intercept().solve(&data, 0.2).unwrap());
    for j in 0..2 {
        for (x, y) in found.x[j].iter().zip(&expected.x[j]) {
            assert!((*x - *y).modulus() < 1e-13);
        }
        assert!((found.intercept[j] - expected.intercept[j]).modulus() < 1e-13);
        near(found.residual_norm[j], expected.residual_norm[j], 1e-13);
    }
    let stored: Rows<c64, DenseView<'static, c64>> = Rows::from_bytes(&rows.to_bytes()).unwrap();
    assert_eq!(stored.problem().solve(0.2).unwrap().x, rows.problem().solve(0.2).unwrap().x);
    assert_eq!((stored.count(), stored.columns(), stored.right_hand_sides()), (m, n, 2));

    let single: Vec<f32> = a.iter().map(|v| v.re as f32).collect();
    let ones: Vec<f32> = b[..m].iter().map(|v| v.re as f32).collect();
    let view = DenseView::row_major(&single, m, n).unwrap();
    let mut rows = Rows::new(n);
    rows.push(&view, &ones).unwrap();
    let (found, expected) = (rows.problem().solve(0.2).unwrap(), Problem::new(&view).solve(&ones, 0.2).unwrap());
    assert!(found.x.iter().zip(&expected.x).all(|(x, y)| (x - y).abs() < 1e-6));
    let stored: Rows<f32> = Rows::from_bytes(&rows.to_bytes()).unwrap();
    assert_eq!(stored.problem().solve(0.2).unwrap().x, found.x);
    let error = Rows::<f64, Vec<f64>>::from_bytes(&rows.to_bytes()).unwrap_err();
    assert!(error.to_string().contains("scalar type is f32"), "{error}");

    let sparse = SparseView::csr(2, 3, &[0u32, 2, 3], &[0, 2, 1], &[1.0, 2.0, 3.0]).unwrap();
    let dense = [1.0, 0.0, 2.0, 0.0, 3.0, 0.0];
    let (mut from_sparse, mut from_dense) = (Rows::new(3), Rows::new(3));
    from_sparse.push(&sparse, &[1.0, 2.0]).unwrap();
    from_dense.push(&DenseView::row_major(&dense, 2, 3).unwrap(), &[1.0, 2.0]).unwrap();
    assert_eq!(from_sparse.to_bytes(), from_dense.to_bytes());
}

/// A block that is refused changes nothing.
#[test]
fn bad_blocks_are_refused() {
    let (a, b) = data(4, 50, 2);
    let mut rows = pushed(&a, &b, 2, &[]);
    let before = rows.to_bytes();
    let view = |a: &'static [f64], m| DenseView::row_major(a, m, 2).unwrap();
    let one = view(&[1.0, 2.0], 1);
    let refused = |result: wellposed::Result<()>, word: &str| {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    };
    refused(rows.push(&one, &[1.0, 2.0]), "as many rows as the block of A");
    refused(rows.push(&DenseView::column(&[1.0]), &[1.0]), "Rows::new");
    refused(rows.push(&view(&[1.0, f64::NAN], 1), &[1.0]), "row 0, column 1");
    refused(rows.push(&one, &[f64::INFINITY]), "the block of b");
    refused(rows.push_weighted(&one, &[1.0], &[0.0]), "weight");
    refused(rows.push_weighted(&one, &[1.0], &[1.0, 1.0]), "one weight for each row");
    refused(rows.push_weighted(&view(&[1e300, 2.0], 1), &[1.0], &[1e300]), "rescale");
    let products = wellposed::operator::from_fn(1, 2, |_: &[f64], y: &mut [f64]| y[0] = 0.0, |_: &[f64], x: &mut [f64]| x.fill(0.0));
    refused(rows.push(&products, &[1.0]), "needs the entries");
    // a large block, which is not looked at entry by entry
    for (place, value) in [(7777, f64::NAN), (0, f64::INFINITY), (19_999, f64::NEG_INFINITY)] {
        let (mut a, b) = data(4, 10_000, 2);
        a[place] = value;
        refused(rows.push(&DenseView::row_major(&a, 10_000, 2).unwrap(), &b), &format!("row {}, column {}", place / 2, place % 2));
    }
    refused(rows.merge(&Rows::new(3)), "same columns");
    assert_eq!(rows.to_bytes(), before);
    assert_eq!(rows.count(), 50);
    rows.push(&DenseView::row_major(&[], 0, 2).unwrap(), &[]).unwrap();
    assert_eq!(rows.to_bytes(), before);
}

/// No rows, one row, no columns.
#[test]
fn next_to_nothing() {
    let none = Rows::<f64>::new(2);
    assert_eq!(none.problem().prior_mean(&[1.0, 2.0]).solve(0.5).unwrap().x, [1.0, 2.0]);
    assert!(none.problem().intercept().solve(0.5).unwrap_err().to_string().contains("at least one row"));
    let one = pushed(&[3.0, 4.0], &[5.0], 2, &[]);
    close(&one.problem().solve(0.0).unwrap().x, &[0.6, 0.8], 1e-15);
    let fit = one.problem().intercept().solve(1.0).unwrap();
    assert!(fit.x == [0.0, 0.0] && (fit.intercept - 5.0).abs() < 1e-14);
    let mut constant = Rows::new(0);
    constant.push(&DenseView::row_major(&[], 3, 0).unwrap(), &[1.0, 2.0, 6.0]).unwrap();
    assert!((constant.problem().intercept().solve(1.0).unwrap().intercept - 3.0_f64).abs() < 1e-14);
}

/// Stored bytes of version 1 stay readable: these were written by the first version.
#[test]
fn stored_bytes_stay_readable() {
    let rows = pushed(&[1.0, 2.0], &[3.0, 5.0], 1, &[]);
    let bytes = rows.to_bytes();
    let hex: String = bytes[..72].iter().map(|b| format!("{b:02x}")).collect();
    // magic, version 1, f64, one column, one right-hand side, two rows, 2.0, 1.0, a triangle of two rows
    let expected = "77656c6c706f73656420726f77730000".to_owned()
        + "0100000002000000"
        + "0100000000000000"
        + "0100000000000000"
        + "0200000000000000"
        + "0000000000000040"
        + "000000000000f03f"
        + "0200000000000000";
    assert_eq!(hex, expected);
    let entries: Vec<f64> = bytes[72..bytes.len() - 8].chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    let root = 2.0f64.sqrt();
    // R of [1 1 3; 1 2 5]
    let triangle = [root, 3.0 / root, -1.0 / root, 8.0 / root, -2.0 / root];
    for (found, expected) in entries.iter().zip(triangle) {
        assert!((found.abs() - expected.abs()).abs() < 1e-15 && (expected < 0.0 || *found > 0.0), "{entries:?}");
    }
}
