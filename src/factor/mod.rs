pub(crate) mod band;
pub(crate) mod bidiagonal_qr;
pub(crate) mod tridiagonal_ql;
