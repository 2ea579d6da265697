use wellposed::*;
fn main() -> Result<()> {
    let a: Vec<f64> = (0..80).map(|k| 1.0 / (1.0 + (k % 10) as f64 + (k / 10) as f64)).collect();
    let a = DenseView::column_major(&a, 10, 8)?;
    let b: Vec<f64> = (0..10).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    for m in
        [Method::Auto, Method::Cholesky, Method::Qr, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal, Cgls::new().into()]
    {
        match Problem::new(&a).method(m.clone()).solve(&b, 1e-3) {
            Ok(f) => println!("{m:20} {:?} {:?} {} {}", &f.x[..3], f.dof, f.residual_norm, f.penalty_norm),
            Err(e) => println!("{m:20} {e}"),
        }
    }
    for m in [Method::Auto, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal, Method::Qr] {
        match Problem::new(&a).method(m.clone()).penalty(Penalty::second_difference()).intercept().solve(&b, Gcv) {
            Ok(f) => println!("{m:20} {} {:?} {:?} {} {}", f.lambda, &f.x[..3], f.dof, f.residual_norm, f.penalty_norm),
            Err(e) => println!("{m:20} {e}"),
        }
    }
    println!("{}", Problem::new(&a).penalty(Penalty::second_difference()).intercept().solve(&b, Loo)?.report);
    println!("{}", Problem::new(&a).solve(&b, 0.0)?);
    Ok(())
}
