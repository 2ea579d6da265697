//! Change of variables: every problem becomes min ‖Āz − b̄‖² + λ‖L̄z‖², and with [`standard_form`] L̄ = I.
//!
//! ```text
//! whiten   Ā = 2ᵉDA,  D = W^½/noise_std        rows scaled; a power of two takes the data to the middle of the exponent range
//! shift    b̄ = 2ᶠD(b − Ax₀)                    z measures the departure from the prior mean
//! constant Ā ← (HĀ)₂..ₘ                        H reflects D·1 onto the first axis: an unpenalised intercept, exactly
//! ```

pub(crate) mod by_products;
pub(crate) mod constant;
pub(crate) mod data_matrix;
pub(crate) mod reduced;
pub(crate) mod sparse;
pub(crate) mod standard_form;
pub(crate) mod whiten;

use crate::linalg::{Mat, MatRef};

/// A matrix that is the caller's where nothing had to be changed, and ours otherwise.
#[derive(Clone)]
pub(crate) enum Matrix<'a, T> {
    Borrowed(MatRef<'a, T>),
    Owned(Mat<T>),
}

impl<T: Clone> Matrix<'_, T> {
    pub fn view(&self) -> MatRef<'_, T> {
        match self {
            Matrix::Borrowed(view) => *view,
            Matrix::Owned(matrix) => matrix.as_ref(),
        }
    }

    /// The same matrix, borrowed again.
    pub fn reborrow(&self) -> Matrix<'_, T> {
        Matrix::Borrowed(self.view())
    }

    pub fn into_owned(self) -> Matrix<'static, T> {
        Matrix::Owned(match self {
            Matrix::Borrowed(view) => Mat::from_fn(view.nrows(), view.ncols(), |i, j| view[(i, j)].clone()),
            Matrix::Owned(matrix) => matrix,
        })
    }
}
