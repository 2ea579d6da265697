//! A figure: two axes, marks on them, and the same said in words and numbers. It becomes SVG that is text through and
//! through: deterministic, escaped, without script, font or reference to anything outside.
//!
//! Colours are those of Okabe and Ito (2008), told apart by colour-blind readers too; line patterns and marker shapes say the same
//! again. Shapes carry class names beside their attributes, so that a page can give them other colours in the dark.
//!
//! More than 500 lines: axes, marks and legend share one frame and one way to write, and nothing of them is used elsewhere.

use super::image::Picture;
use super::scale::{Axis, Scale, number};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// One figure: curves with their axes, a description in words and a table of the numbers behind it.
///
/// Made by the functions of [`plot`](crate::plot) and by [`Report::figures`](super::Report::figures).
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) marks: Vec<Mark>,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<f64>>,
    /// Height over width of the frame.
    pub(crate) aspect: f64,
}

/// Something drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mark {
    Line {
        points: Vec<(f64, f64)>,
        look: Look,
    },
    Dots {
        points: Vec<(f64, f64)>,
        look: Look,
    },
    /// Between two curves over the same places: (x, lower, upper).
    Band {
        points: Vec<(f64, f64, f64)>,
        look: Look,
    },
    /// A horizontal line.
    Level {
        y: f64,
        look: Look,
    },
    /// A vertical line.
    Place {
        x: f64,
        look: Look,
    },
    /// Fills the frame.
    Image {
        picture: Picture,
        look: Look,
    },
}

/// How a mark looks, and what the legend says of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Look {
    /// Text in the legend; nothing when empty.
    pub name: String,
    pub colour: Colour,
    pub pattern: Pattern,
    pub shape: Shape,
    /// What a script may move.
    pub id: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Colour {
    #[default]
    Blue,
    Vermillion,
    Green,
    Purple,
    Grey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pattern {
    #[default]
    Solid,
    Dashed,
    Dotted,
    DashDotted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Shape {
    #[default]
    Dot,
    Circle,
    Cross,
    Diamond,
    Square,
}

impl Look {
    pub fn new(name: impl Into<String>, colour: Colour) -> Self {
        Self { name: name.into(), colour, ..Self::default() }
    }
    pub fn pattern(mut self, pattern: Pattern) -> Self {
        self.pattern = pattern;
        self
    }
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }
    pub fn id(mut self, id: &'static str) -> Self {
        self.id = Some(id);
        self
    }
}

impl Colour {
    /// Class and value on white paper.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Colour::Blue => ("blue", "#0072b2"),
            Colour::Vermillion => ("vermillion", "#c24e00"),
            Colour::Green => ("green", "#007a5a"),
            Colour::Purple => ("purple", "#a8548a"),
            Colour::Grey => ("grey", "#666666"),
        }
    }
}

impl Pattern {
    fn dashes(self) -> &'static str {
        match self {
            Pattern::Solid => "",
            Pattern::Dashed => " stroke-dasharray=\"7 4\"",
            Pattern::Dotted => " stroke-dasharray=\"2 3\"",
            Pattern::DashDotted => " stroke-dasharray=\"8 3 2 3\"",
        }
    }
}

const INK: &str = "#222222";
const WIDTH: f64 = 600.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const BELOW: f64 = 50.0;
const TITLE: f64 = 30.0;
const LEGEND_LINE: f64 = 20.0;
/// About the width of a letter of 13 units; only the legend's line breaks depend on it.
const LETTER: f64 = 7.2;
/// Places are cut off here, in frames: far outside, and small enough for every renderer.
const FAR: f64 = 20.0;

/// Where the frame lies in the picture.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Figure {
    pub(crate) fn new(id: &'static str, title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            id,
            title: title.into(),
            description: String::new(),
            x,
            y,
            marks: Vec::new(),
            header: Vec::new(),
            rows: Vec::new(),
            aspect: 0.62,
        }
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What is to be seen, in words and numbers.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// A short name for a file: `l_curve`, `picard`, …
    pub fn name(&self) -> &'static str {
        self.id
    }

    /// The figure as an SVG document on white paper, its title on top.
    ///
    /// ```
    /// use wellposed::{DenseView, Problem, plot};
    /// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
    /// let factor = Problem::new(&DenseView::column_major(&a, 4, 2)?).factorize()?;
    /// let svg = plot::l_curve(&factor, &[1.1, 1.9, 3.2, 3.9])?.to_svg();
    /// assert!(svg.starts_with("<svg ") && svg.contains("L-curve"));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn to_svg(&self) -> String {
        self.svg(true)
    }

    /// Writes the figure to a file: `.svg`, or `.png` (with the feature `png`), by the ending of the name. An existing file is
    /// replaced.
    ///
    /// # Errors
    /// What the file system says; another ending; `.png` without the feature, or without any font on the system.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => std::fs::write(path, self.to_svg()),
            #[cfg(feature = "png")]
            Some("png") => std::fs::write(path, self.to_png(2.0)?),
            #[cfg(not(feature = "png"))]
            Some("png") => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "pictures need the feature png of wellposed: enable it, or save as .svg"))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "the name of a figure's file must end in .svg or .png")),
        }
    }

    /// The figure as a PNG picture, `scale` dots for each unit (it is 600 units wide), with text in a sans-serif font of the
    /// system.
    ///
    /// # Errors
    /// No font is installed, or the picture would not fit into memory.
    #[cfg(feature = "png")]
    pub fn to_png(&self, scale: f32) -> io::Result<Vec<u8>> {
        super::raster::png(&self.to_svg(), scale)
    }

    /// For a page (`alone` = false) the title is left to the page's own heading.
    pub(crate) fn svg(&self, alone: bool) -> String {
        let legend = self.legend_lines();
        let top = if alone { TITLE } else { 8.0 } + LEGEND_LINE * legend.len() as f64 + 4.0;
        let width = WIDTH - LEFT - RIGHT;
        let frame = Frame { left: LEFT, top, width, height: (width * self.aspect).round() };
        let height = frame.top + frame.height + BELOW;
        let mut out = String::new();
        let id = self.id;
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" id=\"{id}\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-description\" font-family=\"system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif\" font-size=\"13\" \
             data-frame=\"{} {} {} {}\" data-x=\"{}\" data-y=\"{}\">",
            frame.left,
            frame.top,
            frame.width,
            frame.height,
            axis_data(&self.x),
            axis_data(&self.y),
        );
        let _ = write!(
            out,
            "\n<title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-description\">{}</desc>",
            escaped(&self.title),
            escaped(&self.description)
        );
        if alone {
            let _ = write!(out, "\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>");
            let _ = write!(
                out,
                "\n<text x=\"{LEFT}\" y=\"20\" font-size=\"15\" font-weight=\"bold\" fill=\"{INK}\">{}</text>",
                escaped(&self.title)
            );
        }
        self.write_legend(&mut out, &legend, if alone { TITLE } else { 8.0 });
        self.write_axes(&mut out, &frame);
        let _ = write!(
            out,
            "\n<clipPath id=\"{id}-clip\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\n<g clip-path=\"url(#{id}-clip)\">",
            frame.left, frame.top, frame.width, frame.height
        );
        for mark in &self.marks {
            self.write_mark(&mut out, &frame, mark);
        }
        out.push_str("\n</g>\n</svg>\n");
        out
    }

    fn write_axes(&self, out: &mut String, frame: &Frame) {
        let Frame { left, top, width, height } = *frame;
        let bottom = top + height;
        let _ = write!(
            out,
            "\n<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"{INK}\"/>\n<g class=\"ink\" fill=\"{INK}\" stroke=\"none\">"
        );
        let mut lines = String::new();
        let mut grid = String::new();
        for tick in self.x.ticks() {
            let Some(x) = self.x.place(tick.value).map(|p| left + p * width) else { continue };
            let size = if tick.text.is_empty() { 3.0 } else { 6.0 };
            let _ = write!(lines, "M{x:.2} {bottom:.2}v{size}");
            if !tick.text.is_empty() {
                let _ = write!(grid, "M{x:.2} {top:.2}v{height:.2}");
                let _ =
                    write!(out, "\n<text x=\"{x:.2}\" y=\"{:.2}\" text-anchor=\"middle\">{}</text>", bottom + 20.0, escaped(&tick.text));
            }
        }
        for tick in self.y.ticks() {
            let Some(y) = self.y.place(tick.value).map(|p| bottom - p * height) else { continue };
            let size = if tick.text.is_empty() { 3.0 } else { 6.0 };
            let _ = write!(lines, "M{left:.2} {y:.2}h-{size}");
            if !tick.text.is_empty() {
                let _ = write!(grid, "M{left:.2} {y:.2}h{width:.2}");
                let _ =
                    write!(out, "\n<text x=\"{:.2}\" y=\"{:.2}\" text-anchor=\"end\">{}</text>", left - 9.0, y + 4.5, escaped(&tick.text));
            }
        }
        let (centre, middle) = (left + width / 2.0, top + height / 2.0);
        let _ =
            write!(out, "\n<text x=\"{centre:.2}\" y=\"{:.2}\" text-anchor=\"middle\">{}</text>", bottom + 41.0, escaped(&self.x.label));
        let _ = write!(
            out,
            "\n<text transform=\"translate(17 {middle:.2}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n</g>",
            escaped(&self.y.label)
        );
        let _ = write!(out, "\n<path class=\"grid\" d=\"{grid}\" fill=\"none\" stroke=\"#e4e4e4\"/>");
        let _ = write!(out, "\n<path class=\"frame\" d=\"{lines}\" fill=\"none\" stroke=\"{INK}\"/>");
    }

    fn write_mark(&self, out: &mut String, frame: &Frame, mark: &Mark) {
        let look = mark.look();
        let (class, colour) = look.colour.names();
        let id = look.id.map_or_else(String::new, |part| format!(" id=\"{}-{part}\"", self.id));
        let stroke = format!("class=\"line {class}\"{id} fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{}", look.pattern.dashes());
        match mark {
            Mark::Line { points, .. } => {
                let _ = write!(out, "\n<path {stroke} stroke-linejoin=\"round\" d=\"{}\"/>", self.path(frame, points.iter().copied()));
            }
            Mark::Band { points, .. } => {
                let mut d = String::new();
                // one closed piece for each stretch without a gap
                for piece in points.split(|&(x, low, high)| self.at(frame, x, low).is_none() || self.at(frame, x, high).is_none()) {
                    if piece.is_empty() {
                        continue;
                    }
                    let upper = piece.iter().map(|&(x, _, high)| (x, high));
                    let lower = piece.iter().rev().map(|&(x, low, _)| (x, low));
                    d.push_str(&self.path(frame, upper.chain(lower)));
                    d.push('Z');
                }
                let _ =
                    write!(out, "\n<path class=\"fill {class}\"{id} fill=\"{colour}\" fill-opacity=\"0.22\" stroke=\"none\" d=\"{d}\"/>");
            }
            Mark::Dots { points, .. } => {
                let _ = write!(out, "\n<g class=\"{} {class}\"{id} {}>", shape_class(look.shape), shape_style(look.shape, colour));
                for (x, y) in points.iter().filter_map(|&(x, y)| self.at(frame, x, y)) {
                    let _ = write!(out, "<path d=\"M{x:.2} {y:.2}{}\"/>", shape_path(look.shape));
                }
                out.push_str("</g>");
            }
            Mark::Level { y, .. } => {
                if let Some((_, y)) = self.y.place(*y).map(|p| (0.0, vertical(frame, p))) {
                    let _ = write!(out, "\n<path {stroke} d=\"M{:.2} {y:.2}h{:.2}\"/>", frame.left, frame.width);
                }
            }
            Mark::Place { x, .. } => {
                if let Some(x) = self.x.place(*x).map(|p| horizontal(frame, p)) {
                    let _ = write!(out, "\n<path {stroke} d=\"M{x:.2} {:.2}v{:.2}\"/>", frame.top, frame.height);
                }
            }
            Mark::Image { picture, .. } => {
                let _ = write!(
                    out,
                    "\n<image{id} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" image-rendering=\"optimizeSpeed\" style=\"image-rendering:pixelated\" href=\"{}\"/>",
                    frame.left,
                    frame.top,
                    frame.width,
                    frame.height,
                    picture.data_uri()
                );
            }
        }
    }

    /// Where a pair of values lies in the picture.
    fn at(&self, frame: &Frame, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((horizontal(frame, self.x.place(x)?), vertical(frame, self.y.place(y)?)))
    }

    /// Moves and lines; a value without a place breaks the line.
    fn path(&self, frame: &Frame, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut d = String::new();
        let mut broken = true;
        for (x, y) in points {
            let Some((x, y)) = self.at(frame, x, y) else {
                broken = true;
                continue;
            };
            let _ = write!(d, "{}{x:.2} {y:.2}", if broken { 'M' } else { 'L' });
            broken = false;
        }
        d
    }

    /// The marks with a name, in lines that fit the width.
    fn legend_lines(&self) -> Vec<Vec<(&Mark, f64)>> {
        let mut lines: Vec<Vec<(&Mark, f64)>> = Vec::new();
        let mut x = f64::INFINITY;
        for mark in self.marks.iter().filter(|mark| !mark.look().name.is_empty()) {
            let width = 34.0 + LETTER * mark.look().name.chars().count() as f64 + 14.0;
            if x + width > WIDTH - RIGHT {
                lines.push(Vec::new());
                x = LEFT;
            }
            if let Some(line) = lines.last_mut() {
                line.push((mark, x));
            }
            x += width;
        }
        lines
    }

    fn write_legend(&self, out: &mut String, lines: &[Vec<(&Mark, f64)>], top: f64) {
        for (k, line) in lines.iter().enumerate() {
            let y = top + LEGEND_LINE * (k as f64 + 0.5);
            for (mark, x) in line {
                let look = mark.look();
                let (class, colour) = look.colour.names();
                match mark {
                    Mark::Dots { .. } => {
                        let _ = write!(
                            out,
                            "\n<g class=\"{} {class}\" {}><path d=\"M{:.2} {y:.2}{}\"/></g>",
                            shape_class(look.shape),
                            shape_style(look.shape, colour),
                            x + 13.0,
                            shape_path(look.shape)
                        );
                    }
                    Mark::Band { .. } => {
                        let _ = write!(
                            out,
                            "\n<path class=\"fill {class}\" fill=\"{colour}\" fill-opacity=\"0.22\" stroke=\"none\" d=\"M{x:.2} {:.2}h26v12h-26Z\"/>",
                            y - 6.0
                        );
                    }
                    Mark::Image { picture, .. } => {
                        let _ = write!(
                            out,
                            "\n<image x=\"{x:.2}\" y=\"{:.2}\" width=\"26\" height=\"12\" preserveAspectRatio=\"none\" href=\"{}\"/>",
                            y - 6.0,
                            picture.colours().data_uri()
                        );
                    }
                    _ => {
                        let _ = write!(
                            out,
                            "\n<path class=\"line {class}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{} d=\"M{x:.2} {y:.2}h26\"/>",
                            look.pattern.dashes()
                        );
                    }
                }
                let _ = write!(
                    out,
                    "\n<text class=\"ink\" x=\"{:.2}\" y=\"{:.2}\" fill=\"{INK}\">{}</text>",
                    x + 33.0,
                    y + 4.5,
                    escaped(&look.name)
                );
            }
        }
    }

    /// The numbers behind the figure as an HTML table; at most this many rows, evenly picked.
    pub(crate) fn table(&self, most: usize) -> String {
        let mut out = String::from("<table><thead><tr>");
        for name in &self.header {
            let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(name));
        }
        out.push_str("</tr></thead><tbody>");
        let count = self.rows.len().min(most);
        for k in 0..count {
            let row = if count > 1 { k * (self.rows.len() - 1) / (count - 1) } else { 0 };
            out.push_str("<tr>");
            for &value in self.rows.get(row).into_iter().flatten() {
                let _ = write!(out, "<td>{}</td>", escaped(&number(value)));
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table>");
        out
    }
}

impl Mark {
    pub fn look(&self) -> &Look {
        match self {
            Mark::Line { look, .. }
            | Mark::Dots { look, .. }
            | Mark::Band { look, .. }
            | Mark::Level { look, .. }
            | Mark::Place { look, .. }
            | Mark::Image { look, .. } => look,
        }
    }
}

fn horizontal(frame: &Frame, place: f64) -> f64 {
    frame.left + place.clamp(-FAR, FAR) * frame.width
}

fn vertical(frame: &Frame, place: f64) -> f64 {
    frame.top + frame.height - place.clamp(-FAR, FAR) * frame.height
}

/// Scale and ends, for a script that puts marks on the figure.
fn axis_data(axis: &Axis) -> String {
    let scale = match axis.scale {
        Scale::Linear => "linear",
        Scale::Log => "log",
    };
    format!("{scale} {:e} {:e}", axis.low, axis.high)
}

fn shape_class(shape: Shape) -> &'static str {
    match shape {
        Shape::Dot => "dots",
        _ => "line",
    }
}

fn shape_style(shape: Shape, colour: &str) -> String {
    match shape {
        Shape::Dot => format!("fill=\"{colour}\" stroke=\"none\""),
        _ => format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\""),
    }
}

/// Relative to the centre, which the path has been moved to.
fn shape_path(shape: Shape) -> &'static str {
    match shape {
        Shape::Dot => "m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0",
        Shape::Circle => "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
        Shape::Cross => "m-3 -3l6 6m0 -6l-6 6",
        Shape::Diamond => "m0 -6l6 6l-6 6l-6 -6z",
        Shape::Square => "m-4 -4h8v8h-8z",
    }
}

/// Text as XML and HTML take it; control characters, which XML has no way to write, are left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b & \"c\"\u{1}'\n"), "a&lt;b &amp; &quot;c&quot;&#39;\n");
    }

    #[test]
    fn values_without_a_place_break_a_line() {
        let axis = |scale| Axis::from("", scale, 1.0, 100.0, 0.0);
        let figure = Figure::new("f", "t", axis(Scale::Linear), axis(Scale::Log));
        let frame = Frame { left: 0.0, top: 0.0, width: 99.0, height: 10.0 };
        let points = [(1.0, 1.0), (2.0, 10.0), (3.0, 0.0), (4.0, f64::NAN), (5.0, 100.0), (f64::INFINITY, 1.0), (100.0, 1e300)];
        // the last value lies far above, and is cut off there
        assert_eq!(figure.path(&frame, points.into_iter()), "M0.00 10.00L1.00 5.00M4.00 0.00M99.00 -190.00");
    }

    #[test]
    fn the_same_figure_is_the_same_text() {
        let axis = Axis::from("x & y", Scale::Log, 1e-3, 1e3, 0.0);
        let mut figure = Figure::new("f", "a <title>", axis.clone(), axis);
        figure.marks.push(Mark::Dots { points: vec![(1.0, 1.0)], look: Look::new("dots", Colour::Green).shape(Shape::Cross) });
        assert_eq!(figure.to_svg(), figure.clone().to_svg());
        assert!(figure.to_svg().contains("a &lt;title&gt;") && figure.to_svg().contains("x &amp; y"));
    }
}
