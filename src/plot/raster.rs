//! SVG to PNG through resvg, with a font of the system.

use resvg::{tiny_skia, usvg};
use std::io;

/// Families tried before whatever else is there, for letters of mathematics among others.
const FAMILIES: [&str; 6] = ["DejaVu Sans", "Noto Sans", "Liberation Sans", "Arial", "Helvetica", "Segoe UI"];

pub(crate) fn png(svg: &str, scale: f32) -> io::Result<Vec<u8>> {
    let mut options = usvg::Options::default();
    let fonts = options.fontdb_mut();
    fonts.load_system_fonts();
    let installed = |name: &str| fonts.faces().any(|face| face.families.iter().any(|(family, _)| family == name));
    let family = FAMILIES
        .into_iter()
        .find(|name| installed(name))
        .map(str::to_owned)
        .or_else(|| fonts.faces().flat_map(|face| &face.families).map(|(family, _)| family.clone()).next());
    // without a font the picture would lose its text in silence
    let Some(family) = family else {
        let why = "no font is installed, and a picture needs one for its text: install one (for example DejaVu Sans), or save as .svg";
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    };
    fonts.set_sans_serif_family(family.clone());
    options.font_family = family;
    let tree = usvg::Tree::from_str(svg, &options).map_err(io::Error::other)?;
    let size = tree.size().to_int_size().scale_by(scale);
    let too_large = || {
        io::Error::new(io::ErrorKind::InvalidInput, "the scale of a picture must be positive, and such that the picture fits into memory")
    };
    let size = size.ok_or_else(too_large)?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(too_large)?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(io::Error::other)
}
