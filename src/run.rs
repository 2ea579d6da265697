pub trait Engines: Sized {}
impl Engines for f32 {}
impl Engines for f64 {}
impl Engines for crate::c32 {}
impl Engines for crate::c64 {}
