//! The report in a browser: headless Chromium, driven through chromedriver (W3C WebDriver). Both are Debian's `chromium` and
//! `chromium-driver`. Where they are missing the tests say so and pass, except where the variable CI is set.
//!
//! Screenshots are left in the build folder's `tmp/`: `report_light.png`, `report_dark.png`, `report_narrow.png`, `report_print.png`.

mod base64;
mod shaw;

use base64::decode;
use serde_json::{Value, json};
use shaw::shaw;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use wellposed::plot::Report;
use wellposed::{DenseView, Factorization, Gcv, Penalty, Problem};

/// A browser window; its processes end with it.
struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    profile: PathBuf,
}

/// The program of one of these names, if it is installed.
fn program(names: &[&str]) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(&folders).flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    candidates.into_iter().find(|path| path.is_file())
}

impl Browser {
    /// `None` where no browser is installed, which in continuous integration is a failure.
    fn open(name: &str) -> Option<Self> {
        let (chromium, driver) = (program(&["chromium", "chromium-browser", "google-chrome"]), program(&["chromedriver"]));
        let (Some(chromium), Some(driver)) = (chromium, driver) else {
            assert!(std::env::var_os("CI").is_none(), "no chromium and chromedriver here: install chromium and chromium-driver");
            eprintln!("skipped: no chromium and chromedriver on the path (Debian: chromium, chromium-driver)");
            return None;
        };
        let mut driver =
            Command::new(driver).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("chromedriver starts");
        let mut lines = BufReader::new(driver.stdout.take().expect("a pipe")).lines();
        let port: u16 = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.rsplit_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok())
            .expect("chromedriver names its port");
        // a full pipe would stop the driver
        std::thread::spawn(move || lines.for_each(drop));
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(120))).proxy(None).build();
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("profile_{name}_{}", std::process::id()));
        let mut browser = Self { driver, agent: config.into(), session: format!("http://127.0.0.1:{port}/session"), profile };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1280,1000",
            &format!("--user-data-dir={}", browser.profile.display()),
        ];
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let started = browser.send("", json!({ "capabilities": { "alwaysMatch": capabilities } }));
        let id = started["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    fn send(&self, command: &str, body: Value) -> Value {
        let mut answer = self.agent.post(format!("{}{command}", self.session)).send_json(&body).expect("the driver answers");
        let status = answer.status();
        let mut value: Value = answer.body_mut().read_json().expect("JSON");
        assert!(status.is_success(), "{command}: {}", value["value"]["message"].as_str().unwrap_or(""));
        value["value"].take()
    }

    fn show(&self, file: &Path) {
        self.send("/url", json!({ "url": format!("file://{}", file.display()) }));
    }

    /// The value of a JavaScript function body.
    fn run(&self, script: &str) -> Value {
        self.send("/execute/sync", json!({ "script": script, "args": [] }))
    }

    fn numbers(&self, script: &str) -> Vec<f64> {
        self.run(script).as_array().unwrap_or_else(|| panic!("{script}: no list")).iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
    }

    fn number(&self, script: &str) -> f64 {
        self.run(script).as_f64().unwrap_or_else(|| panic!("{script}: no number"))
    }

    fn text(&self, script: &str) -> String {
        self.run(script).as_str().unwrap_or_else(|| panic!("{script}: no text")).to_owned()
    }

    /// Two frames: what was asked for has been drawn.
    fn settle(&self) {
        let script = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(true)));";
        self.send("/execute/async", json!({ "script": script, "args": [] }));
    }

    /// Keys to the element that has the focus.
    fn press(&self, keys: &[&str]) {
        let strokes: Vec<Value> =
            keys.iter().flat_map(|key| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]).collect();
        self.send("/actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] }));
        self.settle();
    }

    fn command(&self, name: &str, parameters: Value) -> Value {
        self.send("/goog/cdp/execute", json!({ "cmd": name, "params": parameters }))
    }

    /// The whole page as a picture.
    fn photograph(&self, name: &str) -> Vec<u8> {
        let taken = self.command("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let png = decode(taken["data"].as_str().expect("a picture"));
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png")), &png).expect("the picture is written");
        png
    }

    /// Warnings and errors of the page since the last call.
    fn complaints(&self) -> Vec<Value> {
        let log = self.send("/se/log", json!({ "type": "browser" }));
        log.as_array().expect("a log").iter().filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING").cloned().collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // the session ends the browser; then the driver is ours to end
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn write(name: &str, report: &Report) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
    report.save(&file).expect("the page is written");
    file
}

/// The largest difference over the largest entry.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(f64::MIN_POSITIVE, |s, v| s.max(v.abs()));
    found.iter().zip(expected).fold(0.0f64, |d, (f, e)| if (f - e).is_nan() { f64::NAN } else { d.max((f - e).abs()) }) / scale
}

/// The browser's x, norms, dof and GCV at its λ are the library's.
fn agrees(browser: &Browser, factor: &Factorization<f64>, b: &[f64], tolerance: f64) {
    let lambda = browser.number("return wellposed.lambda");
    let fit = factor.solve(b, lambda).unwrap();
    let at = factor.curve(b, [lambda]).unwrap()[0];
    let error = difference(&browser.numbers("return wellposed.solution(wellposed.lambda)"), &fit.x);
    assert!(error <= tolerance, "x at λ = {lambda}: {error:e}");
    let now = browser.numbers("const a = wellposed.at(wellposed.lambda); return [a.residual, a.penalty, a.dof, a.gcv]");
    for (found, expected) in now.iter().zip([at.residual_norm, at.penalty_norm, at.dof, at.gcv]) {
        assert!((found - expected).abs() <= 1e-6 * expected, "at λ = {lambda}: {found}, not {expected}");
    }
    let residual = browser.numbers("return wellposed.residual(wellposed.lambda)");
    let norm = residual.iter().map(|r| r * r).sum::<f64>().sqrt();
    assert!(
        (norm - fit.residual_norm).abs() <= 1e-3 * fit.residual_norm,
        "the residual at λ = {lambda}: {norm}, not {}",
        fit.residual_norm
    );
}

/// Where the marks of λ are, against where their values belong by the axes of the figures.
const MARKS: &str = r##"
const axis = (svg, name) => {
  const [scale, low, high] = svg.dataset[name].split(" ");
  const f = scale === "log" ? Math.log10 : (v) => v;
  return (v) => (f(v) - f(Number(low))) / (f(Number(high)) - f(Number(low)));
};
const now = wellposed.at(wellposed.lambda);
const numbers = (id) => document.getElementById(id).getAttribute("d").match(/[-\d.]+/g).map(Number);
const out = [];
for (const id of ["l_curve", "criteria", "path", "picard"]) {
  const svg = document.getElementById(id);
  const [left, top, width, height] = svg.dataset.frame.split(" ").map(Number);
  const x = (v) => left + axis(svg, "x")(v) * width, y = (v) => top + height - axis(svg, "y")(v) * height;
  if (id === "l_curve") {
    const [h, v] = document.querySelector("#l_curve-here path").getAttribute("d").match(/[-\d.]+/g).map(Number);
    out.push(h - x(now.residual), v - y(now.penalty));
  } else if (id === "picard") {
    out.push(numbers("picard-here")[1] - y(Math.sqrt(wellposed.lambda)));
  } else {
    out.push(numbers(`${id}-here`)[0] - x(wellposed.lambda));
  }
}
return out;
"##;

/// Everything that moves with λ, as text.
const MOVING: &str = r##"return ["solution-x", "solution-band", "residual-r", "periodogram-c", "criteria-here", "path-here", "picard-here", "picard-filtered"]
  .map((id) => document.getElementById(id).getAttribute("d")).concat(document.querySelector("#l_curve-here path").getAttribute("d"),
  ["now-lambda", "now-damping", "now-dof", "now-residual", "now-penalty", "now-gcv", "now-largest"].map((id) => document.getElementById(id).textContent));"##;

fn texts(browser: &Browser) -> Vec<String> {
    browser.run(MOVING).as_array().expect("a list").iter().map(|v| v.as_str().expect("text").to_owned()).collect()
}

#[test]
fn the_slider_moves_everything_to_where_the_library_says() {
    let Some(browser) = Browser::open("slider") else { return };
    let (a, truth, b) = shaw(48, 1e-3);
    let factor = Problem::new(&DenseView::row_major(&a, 48, 48).unwrap()).factorize().unwrap();
    let fit = factor.solve(&b, Gcv).unwrap();
    let report = Report::new(&factor, &b, &fit).unwrap().truth(&truth).unwrap().title("Shaw <48>");
    browser.show(&write("report_slider", &report));
    assert_eq!(browser.complaints(), Vec::<Value>::new());
    assert_eq!(browser.text("return document.title"), "Shaw <48>");
    // it starts at the λ of the fit, with what the library has drawn
    assert_eq!(browser.number("return wellposed.lambda"), fit.lambda);
    agrees(&browser, &factor, &b, 1e-9);
    let drawn = browser.text("return document.getElementById('solution-x').getAttribute('d')");
    let figure = report.figures().into_iter().find(|f| f.name() == "solution").unwrap().to_svg();
    let line = figure.split("id=\"solution-x\"").nth(1).unwrap().split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
    // the title on top of a figure that stands alone moves the frame down; across, the same places
    let across = |d: &str| d.split(['M', 'L']).skip(1).map(|p| p.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(across(&drawn), across(line));

    // by keyboard: the first stops of the tabulator are the way past the controls, and the slider
    let before = texts(&browser);
    browser.press(&["\u{e004}", "\u{e004}"]);
    assert_eq!(browser.text("return document.activeElement.id"), "slider");
    assert!(
        browser.run(
            "return document.activeElement.matches(':focus-visible') && getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        ) == true
    );
    let (left, right, home, end) = ("\u{e012}", "\u{e014}", "\u{e011}", "\u{e010}");
    let start = browser.number("return wellposed.lambda");
    browser.press(&[right; 30]);
    let moved = browser.number("return wellposed.lambda");
    assert!((moved / start).log10() > 0.25 && (moved / start).log10() < 0.35, "thirty steps right: from {start} to {moved}");
    let after = texts(&browser);
    for (k, (before, after)) in before.iter().zip(&after).enumerate() {
        // nine marks, then λ, damping and dof; the other numbers may stay the same to four digits
        assert!(k >= 12 || before != after, "mark {k} did not move");
        assert!(!after.contains("NaN") && !after.contains("undefined"), "mark {k}: {after}");
    }
    let spoken = browser.text("return document.getElementById('slider').getAttribute('aria-valuetext')");
    assert!(spoken.starts_with("λ = ") && after.contains(&spoken), "{spoken}");
    for keys in [vec![left; 50], vec![home], vec![end], vec![left; 500]] {
        browser.press(&keys);
        agrees(&browser, &factor, &b, 1e-6);
        for (k, distance) in browser.numbers(MARKS).into_iter().enumerate() {
            assert!(distance.abs() < 0.02, "mark {k} is {distance} off");
        }
    }
    assert!(browser.number("return wellposed.lambda") < browser.number("return 10 ** document.getElementById('slider').max"));
    // the values of the rules, and back
    browser.run("document.querySelector('button.go').click()");
    browser.settle();
    assert_eq!(browser.number("return wellposed.lambda"), fit.lambda);
    browser.press(&[home]);
    browser.run("document.getElementById('back').click()");
    browser.settle();
    assert_eq!(texts(&browser)[9..], before[9..]);
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}

/// General form, intercept, weights, single precision, a picture: x is still the library's.
#[test]
fn every_kind_of_page_recomputes_x() {
    let Some(browser) = Browser::open("kinds") else { return };
    let (a, _, b) = shaw(24, 1e-2);
    let view = DenseView::row_major(&a, 24, 24).unwrap();
    let weights: Vec<f64> = (0..24).map(|i| 1.0 + f64::from(i % 3)).collect();
    let mean = vec![0.5; 24];
    let problems = [
        ("plain", Problem::new(&view)),
        ("general", Problem::new(&view).penalty(Penalty::second_difference()).intercept().weights(&weights).prior_mean(&mean)),
    ];
    for (name, problem) in problems {
        let factor = problem.factorize().unwrap();
        let fit = factor.solve(&b, Gcv).unwrap();
        let report = Report::new(&factor, &b, &fit).unwrap().picture(4, 6).unwrap();
        browser.show(&write(&format!("report_{name}"), &report));
        let before = browser.text("return document.getElementById('solution-x').getAttribute('href')");
        for shift in [-2.0, 0.7, 3.0] {
            browser.run(&format!("wellposed.show({:e})", fit.lambda * 10f64.powf(shift)));
            browser.settle();
            agrees(&browser, &factor, &b, 1e-6);
        }
        assert_ne!(browser.text("return document.getElementById('solution-x').getAttribute('href')"), before);
        assert_eq!(browser.complaints(), Vec::<Value>::new());
    }
    // large enough for single precision
    let n = 300;
    let (a, _, b) = shaw(n, 1e-3);
    let factor = Problem::new(&DenseView::row_major(&a, n, n).unwrap()).factorize().unwrap();
    let fit = factor.solve(&b, Gcv).unwrap();
    browser.show(&write("report_large", &Report::new(&factor, &b, &fit).unwrap()));
    for shift in [-8.0, -3.0, 0.0, 2.0] {
        browser.run(&format!("wellposed.show({:e})", fit.lambda * 10f64.powf(shift)));
        browser.settle();
        agrees(&browser, &factor, &b, 1e-6);
    }
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}

#[test]
fn the_page_can_be_read_in_the_dark_on_paper_and_on_a_telephone() {
    let Some(browser) = Browser::open("looks") else { return };
    let (a, truth, b) = shaw(64, 1e-3);
    let factor = Problem::new(&DenseView::row_major(&a, 64, 64).unwrap()).factorize().unwrap();
    let fit = factor.solve(&b, Gcv).unwrap();
    let report = Report::new(&factor, &b, &fit).unwrap().truth(&truth).unwrap().title("Shaw's problem");
    browser.show(&write("report_looks", &report));
    let light = browser.photograph("report_light");
    // contrast of text on its ground, by the formula of WCAG 2
    let contrast = |ink: &str, paper: &str| {
        let script = format!(
            "const style = getComputedStyle(document.documentElement);
             const light = (name) => {{ const [r, g, b] = [1, 3, 5].map((k) => parseInt(style.getPropertyValue(name).trim().slice(k, k + 2), 16) / 255)
               .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; }};
             const [a, b] = [light('{ink}'), light('{paper}')].sort((a, b) => b - a); return (a + 0.05) / (b + 0.05);"
        );
        browser.number(&script)
    };
    let readable = |when: &str| {
        for ink in ["--ink", "--soft", "--vermillion"] {
            assert!(contrast(ink, "--paper") >= 4.5, "{when}: {ink} on paper {:.2}", contrast(ink, "--paper"));
        }
        for line in ["--blue", "--green", "--purple", "--grey"] {
            assert!(contrast(line, "--paper") >= 3.0, "{when}: {line} on paper {:.2}", contrast(line, "--paper"));
        }
    };
    readable("light");
    // every figure has a name and a description, every control a label
    let unnamed = browser.number(
        "return [...document.querySelectorAll('svg.figure')].filter((svg) => svg.getAttribute('role') !== 'img' || \
         svg.getAttribute('aria-labelledby').split(' ').some((id) => !document.getElementById(id)?.textContent)).length",
    );
    assert_eq!(unnamed, 0.0);
    assert_eq!(browser.number("return document.querySelectorAll('svg.figure').length"), 7.0);
    assert_eq!(browser.number("return document.getElementById('slider').labels.length"), 1.0);
    let twice = "const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); return ids.length - new Set(ids).size";
    assert_eq!(browser.number(twice), 0.0, "an id is there twice");
    assert_eq!(browser.text("return document.documentElement.lang"), "en");

    browser.command("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] }));
    readable("dark");
    let dark = browser.photograph("report_dark");
    assert_ne!(light, dark);
    assert!(browser.number("return parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])") < 60.0);

    browser.command("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": "light" }] }));
    browser.command("Emulation.setDeviceMetricsOverride", json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true }));
    browser.settle();
    browser.photograph("report_narrow");
    let overflow = browser.number("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(overflow, 0.0, "the page scrolls sideways on a narrow screen");
    browser.command("Emulation.clearDeviceMetricsOverride", json!({}));

    browser.command(
        "Emulation.setEmulatedMedia",
        json!({ "media": "print", "features": [{ "name": "prefers-color-scheme", "value": "dark" }] }),
    );
    readable("print");
    assert_eq!(browser.text("return getComputedStyle(document.getElementById('controls')).display"), "none");
    assert_eq!(browser.text("return getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    browser.photograph("report_print");
    let paper = browser.command("Page.printToPDF", json!({ "printBackground": true }));
    assert!(decode(paper["data"].as_str().expect("a PDF")).starts_with(b"%PDF"));
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}
