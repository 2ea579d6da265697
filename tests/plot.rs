//! Figures hold the numbers they claim to hold, and are well-formed whatever the numbers are.

mod base64;
mod shaw;

use base64::decode;
use roxmltree::Document;
use shaw::shaw;
use wellposed::plot::{self, Figure, Report};
use wellposed::{DenseView, Factorization, Gcv, Loo, Method, Penalty, Problem, Solution, c64};

/// A figure read back: places become values again.
struct Picture<'d> {
    document: &'d Document<'d>,
    frame: [f64; 4],
    x: (bool, f64, f64),
    y: (bool, f64, f64),
}

impl<'d> Picture<'d> {
    fn new(document: &'d Document<'d>) -> Self {
        let root = document.root_element();
        let text = |name: &str| root.attribute(name).unwrap();
        let frame: Vec<f64> = text("data-frame").split(' ').map(|v| v.parse().unwrap()).collect();
        let axis = |name: &str| {
            let parts: Vec<&str> = text(name).split(' ').collect();
            (parts[0] == "log", parts[1].parse().unwrap(), parts[2].parse().unwrap())
        };
        Self { document, frame: frame.try_into().unwrap(), x: axis("data-x"), y: axis("data-y") }
    }

    fn value((log, low, high): (bool, f64, f64), place: f64) -> f64 {
        if log { 10f64.powf(low.log10() + place * (high.log10() - low.log10())) } else { low + place * (high - low) }
    }

    fn point(&self, h: f64, v: f64) -> (f64, f64) {
        let [left, top, width, height] = self.frame;
        (Self::value(self.x, (h - left) / width), Self::value(self.y, (top + height - v) / height))
    }

    /// The corners of a path of moves and lines, as values.
    fn path(&self, d: &str) -> Vec<(f64, f64)> {
        d.trim_end_matches('Z')
            .split(['M', 'L'])
            .filter(|piece| !piece.is_empty())
            .map(|piece| {
                let (h, v) = piece.split_once(' ').unwrap();
                self.point(h.parse().unwrap(), v.parse().unwrap())
            })
            .collect()
    }

    fn by_id(&self, id: &str) -> roxmltree::Node<'d, 'd> {
        self.document.descendants().find(|n| n.attribute("id") == Some(id)).unwrap_or_else(|| panic!("no {id}"))
    }

    fn line(&self, id: &str) -> Vec<(f64, f64)> {
        self.path(self.by_id(id).attribute("d").unwrap())
    }

    /// The groups of markers in the clipped part, in order.
    fn markers(&self) -> Vec<Vec<(f64, f64)>> {
        let plot = self.document.descendants().find(|n| n.has_attribute("clip-path")).unwrap();
        let groups = plot.children().filter(|n| n.has_tag_name("g"));
        groups.map(|g| g.children().filter_map(|n| n.attribute("d")).map(|d| self.place_of(d)).collect()).collect()
    }

    fn place_of(&self, d: &str) -> (f64, f64) {
        let (h, rest) = d.trim_start_matches('M').split_once(' ').unwrap();
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        self.point(h.parse().unwrap(), rest[..end].parse().unwrap())
    }

    fn lines(&self) -> Vec<Vec<(f64, f64)>> {
        let plot = self.document.descendants().find(|n| n.has_attribute("clip-path")).unwrap();
        let paths = plot.children().filter(|n| n.has_tag_name("path") && n.attribute("fill") == Some("none"));
        paths.filter(|n| n.attribute("d").is_some_and(|d| d.contains('L'))).map(|n| self.path(n.attribute("d").unwrap())).collect()
    }
}

fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what}: {found}, not {expected}");
}

fn problem() -> (Factorization<f64>, Vec<f64>, Solution<f64, Vec<f64>>) {
    let (a, _, b) = shaw(32, 1e-3);
    let factor = Problem::new(&DenseView::row_major(&a, 32, 32).unwrap()).factorize().unwrap();
    let fit = factor.solve(&b, Gcv).unwrap();
    (factor, b, fit)
}

fn named(figures: &[Figure], name: &str) -> String {
    figures.iter().find(|figure| figure.name() == name).unwrap_or_else(|| panic!("no figure {name}")).to_svg()
}

#[test]
fn the_l_curve_is_the_curve() {
    let (factor, b, fit) = problem();
    let report = Report::new(&factor, &b, &fit).unwrap();
    let svg = named(&report.figures(), "l_curve");
    let document = Document::parse(&svg).unwrap();
    let picture = Picture::new(&document);
    let lines = picture.lines();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].len() > 100);
    for &(residual, penalty) in lines[0].iter().step_by(7) {
        // λ with this residual norm
        let (mut low, mut high) = (-40.0f64, 10.0f64);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            let at = factor.curve(&b, [10f64.powf(middle)]).unwrap()[0];
            if at.residual_norm < residual { low = middle } else { high = middle }
        }
        let at = factor.curve(&b, [10f64.powf(low)]).unwrap()[0];
        let steep = factor.curve(&b, [10f64.powf(low + 0.05)]).unwrap()[0];
        // a hundredth of a dot across is worth more where the curve is steep
        let slope = ((at.penalty_norm / steep.penalty_norm).ln() / (steep.residual_norm / at.residual_norm).ln()).abs();
        near(penalty, at.penalty_norm, 2e-4 * (1.0 + slope), &format!("penalty norm at the residual norm {residual}"));
    }
    // the mark of λ
    let markers = picture.markers();
    let (residual, penalty) = markers[1][0];
    near(residual, fit.residual_norm, 1e-3, "residual norm of the mark");
    near(penalty, fit.penalty_norm, 1e-3, "penalty norm of the mark");
    // the corner lies on the curve, at no smaller curvature than its neighbours: here, close to the bend by eye
    let (residual, penalty) = markers[0][0];
    assert!(residual < 2.0 * fit.residual_norm && penalty < 2.0 * fit.penalty_norm, "corner at {residual}, {penalty}");
}

#[test]
fn the_picard_plot_is_the_spectrum() {
    let (factor, b, _) = problem();
    let spectrum = factor.spectrum(&b).unwrap();
    let svg = plot::picard(&factor, &b).unwrap().to_svg();
    let document = Document::parse(&svg).unwrap();
    let markers = Picture::new(&document).markers();
    assert_eq!(markers.len(), 3);
    for (i, (&value, &coefficient)) in spectrum.values.iter().zip(&spectrum.coefficients).enumerate() {
        for (group, expected) in [(0, value), (1, coefficient), (2, coefficient / value)] {
            let (place, found) = markers[group][i];
            near(place, i as f64 + 1.0, 1e-3, "index");
            // the axis spans some twenty decades on 300 dots
            near(found, expected, 5e-3, &format!("series {group}, entry {i}"));
        }
    }
}

#[test]
fn criteria_have_their_minima() {
    let (factor, b, fit) = problem();
    let loo = factor.solve(&b, Loo).unwrap();
    let both = [&fit.report.criteria[0], &loo.report.criteria[0]];
    let svg = plot::criteria(both).to_svg();
    let document = Document::parse(&svg).unwrap();
    let picture = Picture::new(&document);
    for (markers, criterion) in picture.markers().iter().zip(both) {
        assert_eq!(markers.len(), criterion.minima.len());
        let least = criterion.evaluated.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
        for (found, expected) in markers.iter().zip(&criterion.minima) {
            near(found.0, expected.0, 1e-2, "λ of a minimum");
            if expected.1 / least < 10.0 {
                near(found.1, expected.1 / least, 1e-3, "value of a minimum");
            }
        }
    }
    for (line, criterion) in picture.lines().iter().zip(both) {
        assert_eq!(line.len(), criterion.evaluated.len());
    }
    assert!(svg.contains("GCV") && svg.contains("leave-one-out"));
}

#[test]
fn the_solution_is_the_solution_and_the_residual_is_its_residual() {
    let (a, truth, b) = shaw(24, 1e-2);
    let view = DenseView::row_major(&a, 24, 24).unwrap();
    for penalty in [Penalty::identity(), Penalty::second_difference()] {
        let problem = Problem::new(&view).penalty(penalty);
        let factor = problem.factorize().unwrap();
        for lambda in [1e-5, 1e-2] {
            let fit = factor.solve(&b, lambda).unwrap();
            let report = Report::new(&factor, &b, &fit).unwrap().truth(&truth).unwrap();
            let figures = report.figures();
            let svg = named(&figures, "solution");
            let document = Document::parse(&svg).unwrap();
            let picture = Picture::new(&document);
            let line = picture.line("solution-x");
            assert_eq!(line.len(), 24);
            let size = picture.y.2 - picture.y.1;
            for (i, &(place, value)) in line.iter().enumerate() {
                near(place, i as f64 + 1.0, 1e-3, "index");
                assert!((value - fit.x[i]).abs() < 1e-4 * size, "{value}, not {}", fit.x[i]);
            }
            assert!(picture.lines().iter().any(|l| l.iter().zip(&truth).all(|(p, t)| (p.1 - t).abs() < 1e-4 * size)));
            let svg = named(&figures, "residual");
            let document = Document::parse(&svg).unwrap();
            let picture = Picture::new(&document);
            let size = picture.y.2 - picture.y.1;
            for (i, &(_, value)) in picture.line("residual-r").iter().enumerate() {
                let image: f64 = a[i * 24..(i + 1) * 24].iter().zip(&fit.x).map(|(a, x)| a * x).sum();
                assert!((value - (b[i] - image)).abs() < 1e-4 * size, "{value}, not {}", b[i] - image);
            }
            // the periodogram ends at 1, and rises
            let svg = named(&figures, "periodogram");
            let document = Document::parse(&svg).unwrap();
            let line = Picture::new(&document).line("periodogram-c");
            assert_eq!(line.len(), 13);
            assert!((line[12].1 - 1.0).abs() < 1e-3 && line.windows(2).all(|w| w[1].1 >= w[0].1));
        }
    }
}

#[test]
fn paths_are_solutions() {
    let (factor, b, _) = problem();
    let svg = plot::coefficient_path(&factor, &b).unwrap().to_svg();
    let document = Document::parse(&svg).unwrap();
    let picture = Picture::new(&document);
    let lines = picture.lines();
    assert_eq!(lines.len(), 16);
    let size = picture.y.2 - picture.y.1;
    // the first and the last of the 16 are the first and the last unknown
    for (line, entry) in [(&lines[0], 0), (&lines[15], 31)] {
        for &(lambda, value) in line.iter().skip(60).step_by(20) {
            let exact = factor.solve(&b, lambda).unwrap().x[entry];
            assert!((value - exact).abs() < 2e-3 * size, "x{entry} at {lambda}: {value}, not {exact}");
        }
    }
}

#[test]
fn a_picture_shows_every_entry() {
    let (a, _, b) = shaw(24, 1e-2);
    let factor = Problem::new(&DenseView::row_major(&a, 24, 24).unwrap()).factorize().unwrap();
    let fit = factor.solve(&b, Gcv).unwrap();
    let report = Report::new(&factor, &b, &fit).unwrap().picture(4, 6).unwrap();
    let svg = named(&report.figures(), "solution");
    let document = Document::parse(&svg).unwrap();
    let image = document.descendants().find(|n| n.attribute("id") == Some("solution-x")).unwrap();
    let uri = image.attribute("href").unwrap();
    let png = decode(uri.strip_prefix("data:image/png;base64,").unwrap());
    // width and height in the header; the darkest colour at the least entry, the brightest at the largest
    assert_eq!((&png[16..20], &png[20..24]), (&[0, 0, 0, 6][..], &[0, 0, 0, 4][..]));
    let start = 8 + 25 + 8 + 2 + 5;
    let colour = |k: usize| {
        // entries lie column after column, dots row by row
        let place = start + (k % 4) * (3 * 6 + 1) + 1 + 3 * (k / 4);
        [png[place], png[place + 1], png[place + 2]]
    };
    let least = (0..24).min_by(|&i, &j| fit.x[i].total_cmp(&fit.x[j])).unwrap();
    let most = (0..24).max_by(|&i, &j| fit.x[i].total_cmp(&fit.x[j])).unwrap();
    assert_eq!((colour(least), colour(most)), ([68, 1, 84], [253, 231, 37]));
    let wrong = Report::new(&factor, &b, &fit).unwrap().picture(5, 5).unwrap_err().to_string();
    assert!(wrong.contains("rows times columns"), "{wrong}");
    let wrong = Report::new(&factor, &b, &fit).unwrap().truth(&[1.0]).unwrap_err().to_string();
    assert!(wrong.contains("for each unknown"), "{wrong}");
}

/// Nothing is fetched, every figure is well-formed, nothing undefined is printed, and the same input is the same page.
fn sound(name: &str, report: &Report, most: usize) {
    let html = report.to_html();
    assert_eq!(html, report.to_html(), "{name}");
    assert!(html.len() < most, "{name}: {} bytes", html.len());
    for piece in html.split("http").skip(1) {
        assert!(piece.starts_with("://www.w3.org/2000/svg\"") || piece.starts_with("-equiv="), "{name}: http{}", &piece[..40]);
    }
    for forbidden in ["src=", "url(//", "@import", "<link rel=\"stylesheet", "<base", "<iframe"] {
        assert!(!html.contains(forbidden), "{name}: {forbidden}");
    }
    let data = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(data["lambda"].as_f64().unwrap() > 0.0, "{name}");
    let visible = html.split("<script").next().unwrap();
    for undefined in ["NaN", ">inf", ">-inf", " inf", "Infinity", "{{"] {
        assert!(!visible.contains(undefined), "{name}: {undefined}");
    }
    for figure in report.figures() {
        let svg = figure.to_svg();
        Document::parse(&svg).unwrap_or_else(|e| panic!("{name}, {}: {e}", figure.name()));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: {svg}");
        assert!(!figure.description().is_empty() && !figure.title().is_empty());
    }
}

#[test]
fn pages_are_sound_for_extreme_numbers() {
    let (a, truth, b) = shaw(16, 1e-2);
    let report = |a: &[f64], rows: usize, columns: usize, b: &[f64], lambda: f64| {
        let factor = Problem::new(&DenseView::row_major(a, rows, columns).unwrap()).factorize().unwrap();
        let b = b.to_vec();
        let fit = factor.solve(&b, lambda).unwrap();
        Report::new(&factor, &b, &fit).unwrap()
    };
    let most = 600_000;
    sound("plain", &report(&a, 16, 16, &b, 1e-3).truth(&truth).unwrap().title("<b>&\"</b>"), most);
    sound("b = 0", &report(&a, 16, 16, &[0.0; 16], 1e-3), most);
    sound("one unknown", &report(&[2.0], 1, 1, &[1.0], 0.1), most);
    sound("one row", &report(&[2.0, 1.0, 0.5], 1, 3, &[1.0], 0.1), most);
    sound("one column", &report(&[2.0, 1.0, 0.5], 3, 1, &[1.0, 1.0, 2.0], 0.1), most);
    sound("rank 1", &report(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 3, 2, &[1.0, 2.0, 4.0], 0.1), most);
    sound("exact fit", &report(&[1.0, 0.0, 0.0, 1.0], 2, 2, &[3.0, 0.0], 1e-200), most);
    let scaled = |v: &[f64], s: f64| v.iter().map(|v| v * s).collect::<Vec<f64>>();
    sound("large", &report(&scaled(&a, 1e120), 16, 16, &scaled(&b, 1e140), 1e230), most);
    sound("small", &report(&scaled(&a, 1e-120), 16, 16, &scaled(&b, 1e-140), 1e-245), most);
    sound("far too large λ", &report(&a, 16, 16, &b, 1e30), most);
    sound("far too small λ", &report(&a, 16, 16, &b, 1e-60), most);

    let nothing = Problem::new(&DenseView::row_major(&[0.0; 6], 3, 2).unwrap()).factorize().unwrap();
    let fit = nothing.solve(&[1.0, 2.0, 3.0], 0.1).unwrap();
    assert!(Report::new(&nothing, &[1.0, 2.0, 3.0], &fit).is_err());
    let (factor, b, _) = problem();
    let zero = factor.solve(&b, 0.0).unwrap();
    let error = Report::new(&factor, &b, &zero).unwrap_err().to_string();
    assert!(error.contains("such as Gcv"), "{error}");
}

#[test]
fn every_kind_of_problem_has_a_page() {
    let (a, _, b) = shaw(20, 1e-2);
    let view = DenseView::row_major(&a, 20, 20).unwrap();
    let weights: Vec<f64> = (0..20).map(|i| 1.0 + f64::from(i % 3)).collect();
    let problems = [
        ("intercept and weights", Problem::new(&view).intercept().weights(&weights)),
        ("difference", Problem::new(&view).penalty(Penalty::first_difference())),
        ("GSVD", Problem::new(&view).penalty(Penalty::second_difference()).method(Method::Gsvd)),
        ("prior", Problem::new(&view).prior_mean(&vec![0.5; 20])),
    ];
    for (name, problem) in problems {
        let factor = problem.factorize().unwrap();
        let fit = factor.solve(&b, Gcv).unwrap();
        sound(name, &Report::new(&factor, &b, &fit).unwrap(), 600_000);
    }
    // the fit may come from another method
    let factor = Problem::new(&view).factorize().unwrap();
    let fit = Problem::new(&view).method(Method::Cholesky).solve(&b, 1e-2).unwrap();
    sound("Cholesky", &Report::new(&factor, &b, &fit).unwrap(), 600_000);
    // complex numbers, and several right-hand sides
    let complex: Vec<c64> = a.iter().enumerate().map(|(k, &v)| c64::new(v, v * (k as f64).sin())).collect();
    let factor = Problem::new(&DenseView::row_major(&complex, 20, 20).unwrap()).factorize().unwrap();
    let right: Vec<c64> = (0..40).map(|i| c64::new(b[i % 20], (i as f64).cos())).collect();
    let right = DenseView::column_major(&right, 20, 2).unwrap();
    let fits = factor.solve(&right, Gcv).unwrap();
    let reports = Report::new(&factor, &right, &fits).unwrap();
    assert_eq!(reports.len(), 2);
    for report in &reports {
        sound("complex", report, 600_000);
        assert!(report.to_html().contains("real parts"));
    }
    assert_eq!(plot::l_curve(&factor, &right).unwrap().len(), 2);
    // a fit of something else
    let one = [c64::new(1.0, 0.0); 20];
    let other = factor.solve(&DenseView::column_major(&one, 20, 1).unwrap(), 0.1).unwrap();
    assert!(Report::new(&factor, &right, &other).is_err());
}

/// What cannot be seen in x is left out of a large page, which stays small.
#[test]
fn large_pages_stay_small() {
    let n = 300;
    let (a, _, b) = shaw(n, 1e-3);
    let factor = Problem::new(&DenseView::row_major(&a, n, n).unwrap()).factorize().unwrap();
    let fit = factor.solve(&b, Gcv).unwrap();
    let report = Report::new(&factor, &b, &fit).unwrap();
    sound("300 unknowns", &report, 1_000_000);
    let html = report.to_html();
    assert!(html.contains("\"bits\":32"), "single precision from 150 000 numbers on");
}

#[test]
fn files_are_written_by_their_ending() {
    let (factor, b, _) = problem();
    let figure = plot::l_curve(&factor, &b).unwrap();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    figure.save(folder.join("l_curve.svg")).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("l_curve.svg")).unwrap(), figure.to_svg());
    assert!(figure.save(folder.join("l_curve.gif")).unwrap_err().to_string().contains(".svg or .png"));
    let png = figure.save(folder.join("l_curve.png"));
    #[cfg(not(feature = "png"))]
    assert!(png.unwrap_err().to_string().contains("feature png"));
    #[cfg(feature = "png")]
    match png {
        Ok(()) => assert!(std::fs::read(folder.join("l_curve.png")).unwrap().starts_with(b"\x89PNG")),
        Err(error) => assert!(error.to_string().contains("no font"), "{error}"),
    }
}
