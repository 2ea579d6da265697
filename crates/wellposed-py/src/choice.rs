//! λ from Python: a number, a `Lambda`, the name of a rule, or a rule with its options.

use crate::errors::{in_python, type_error, value_error};
use crate::options::{Count, Seed};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyString, PyTuple, PyType};
use wellposed::lambda::Loss;
use wellposed::rule::{HierarchicalEvidence, Rule, Scales};
use wellposed::{
    Aicc, Balancing, Bic, Choice, Discrepancy, EffectiveDof, Evidence, Gcv, Gml, HoerlKennardBaldwin, HyperPrior, KFold, LCurve,
    LawlessWang, Loo, Ncp, NormFraction, PenaltyNorm, QuasiOptimality, Reginska, Upre,
};

/// The amount of regularization, by the convention that it comes from.
///
/// ``lam`` multiplies the penalty exactly as written: ``||A x - b||^2 + lam ||L x||^2``, as scikit-learn's ``alpha`` does.
/// The class methods convert what other packages mean.
///
/// Parameters
/// ----------
/// value : float
///     The multiplier of the penalty.
///
/// Examples
/// --------
/// >>> import wellposed as wp
/// >>> wp.Lambda.from_damping(0.1).value
/// 0.010000000000000002
/// >>> wp.Lambda.weight_decay(0.01, "mean_squared", samples=100)
/// Lambda(0.5)
#[pyclass(frozen, module = "wellposed", name = "Lambda")]
#[derive(Clone, Copy)]
pub struct Lambda(pub wellposed::Lambda);

#[pymethods]
impl Lambda {
    #[new]
    fn new(value: f64) -> Self {
        Self(wellposed::Lambda::new(value))
    }

    /// The damping d of Regularization Tools, LSQR, LSMR and PyLops: the multiplier is d squared.
    #[classmethod]
    fn from_damping(_: &Bound<'_, PyType>, damping: f64) -> Self {
        Self(wellposed::Lambda::from_damping(damping))
    }

    /// ``alpha`` of an objective that divides the residual sum of squares by twice the number of samples (or the sum of their
    /// weights): scikit-learn's ``ElasticNet(alpha, l1_ratio=0)``.
    #[classmethod]
    fn per_sample(_: &Bound<'_, PyType>, alpha: f64, sum_of_weights: f64) -> Self {
        Self(wellposed::Lambda::per_sample(alpha, sum_of_weights))
    }

    /// ``alpha`` of scikit-learn's ``Lasso`` (with sample weights, their sum is the number of samples), for ``Penalty.l1``.
    #[classmethod]
    fn lasso(_: &Bound<'_, PyType>, alpha: f64, sum_of_weights: f64) -> Self {
        Self(wellposed::Lambda::lasso(alpha, sum_of_weights))
    }

    /// ``alpha`` and ``l1_ratio`` of scikit-learn's ``ElasticNet``: the multiplier, and ``rho`` for ``Penalty.elastic_net``.
    #[classmethod]
    fn elastic_net(_: &Bound<'_, PyType>, alpha: f64, l1_ratio: f64, sum_of_weights: f64) -> (Self, f64) {
        let (lambda, rho) = wellposed::Lambda::elastic_net(alpha, l1_ratio, sum_of_weights);
        (Self(lambda), rho)
    }

    /// ``lambda`` of glmnet with ``alpha = 0``, for columns scaled as glmnet scales them; ``response_std`` has divisor n.
    #[classmethod]
    fn glmnet(_: &Bound<'_, PyType>, l: f64, samples: usize, response_std: f64) -> Self {
        Self(wellposed::Lambda::glmnet(l, samples, response_std))
    }

    /// ``lambda`` of MASS's ``lm.ridge``, for centred columns divided by their standard deviation (divisor n).
    #[classmethod]
    fn mass(_: &Bound<'_, PyType>, l: f64) -> Self {
        Self(wellposed::Lambda::mass(l))
    }

    /// Hoerl and Kennard's k in correlation form, for columns divided by their standard deviation (divisor n).
    #[classmethod]
    fn correlation(_: &Bound<'_, PyType>, k: f64, samples: usize) -> Self {
        Self(wellposed::Lambda::correlation(k, samples))
    }

    /// Variance of the noise over the prior variance of x.
    #[classmethod]
    fn noise_to_signal(_: &Bound<'_, PyType>, noise_variance: f64, prior_variance: f64) -> Self {
        Self(wellposed::Lambda::noise_to_signal(noise_variance, prior_variance))
    }

    /// ``weight_decay`` of an optimizer: ``loss`` is ``"mean_squared"`` (``torch.nn.MSELoss()``), ``"half_mean_squared"`` or
    /// ``"sum_squared"``; the first two need ``samples``.
    #[classmethod]
    #[pyo3(signature = (decay, loss, samples=None))]
    fn weight_decay(class: &Bound<'_, PyType>, decay: f64, loss: &str, samples: Option<usize>) -> PyResult<Self> {
        let loss = match (loss, samples) {
            ("sum_squared", _) => Loss::SumSquared,
            ("mean_squared", Some(samples)) => Loss::MeanSquared { samples },
            ("half_mean_squared", Some(samples)) => Loss::HalfMeanSquared { samples },
            ("mean_squared" | "half_mean_squared", None) => {
                return Err(value_error(class.py(), "a mean over samples needs their number: weight_decay(decay, loss, samples=n)"));
            }
            _ => {
                let known = "\"mean_squared\", \"half_mean_squared\" or \"sum_squared\"";
                return Err(value_error(class.py(), format!("the loss is {loss:?}, but it must be {known}")));
            }
        };
        Ok(Self(wellposed::Lambda::weight_decay(decay, loss)))
    }

    /// The multiplier of the penalty.
    #[getter]
    fn value(&self) -> f64 {
        self.0.value()
    }

    /// Its square root.
    #[getter]
    fn damping(&self) -> f64 {
        self.0.damping()
    }

    fn __float__(&self) -> f64 {
        self.0.value()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Lambda({})", PyFloat::new(py, self.0.value()).repr()?))
    }

    fn __str__(&self) -> String {
        format!("λ {}", self.0)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Lambda>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self) -> u64 {
        self.0.damping().to_bits()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (f64,))> {
        Ok((py.get_type::<Lambda>().getattr("from_damping")?, (self.0.damping(),)))
    }
}

/// A number or a rule.
pub fn choice(object: &Bound<'_, PyAny>) -> PyResult<Choice> {
    if let Ok(number) = object.cast::<PyFloat>() {
        return Ok(number.value().into());
    }
    if let Ok(lambda) = object.cast::<Lambda>() {
        return Ok(lambda.get().0.into());
    }
    // integers, NumPy's scalars, arrays of one number
    if !object.is_instance_of::<PyString>()
        && let Ok(number) = object.extract::<f64>()
    {
        return Ok(number.into());
    }
    let (rule, shared) = rule_with_scope(object)?;
    Ok(if shared { rule.shared() } else { rule.into() })
}

/// A λ that is no rule.
pub fn lambda(object: &Bound<'_, PyAny>) -> PyResult<wellposed::Lambda> {
    match object.cast::<Lambda>() {
        Ok(lambda) => Ok(lambda.get().0),
        Err(_) => object.extract::<f64>().map(wellposed::Lambda::new).map_err(|_| type_error("each λ is a number or a Lambda")),
    }
}

/// A rule, by name or with its options.
pub fn rule(object: &Bound<'_, PyAny>) -> PyResult<Rule> {
    Ok(rule_with_scope(object)?.0)
}

fn rule_with_scope(object: &Bound<'_, PyAny>) -> PyResult<(Rule, bool)> {
    let py = object.py();
    if let Ok(name) = object.cast::<PyString>() {
        let name = name.to_str()?;
        let rule = by_name(name, &PyTuple::empty(py));
        // a rule whose options have no usual values
        return rule.map(|rule| (rule, false)).map_err(|error| match error.is_instance_of::<PyIndexError>(py) {
            true => unknown_rule(py, name),
            false => error,
        });
    }
    // a rule of wellposed.rules says what it is: its name, its numbers, and whether one λ serves all right-hand sides
    match object.getattr("_specification").and_then(|s| s.extract::<(String, Bound<'_, PyTuple>, bool)>()) {
        Ok((name, numbers, shared)) => Ok((by_name(&name, &numbers)?, shared)),
        Err(_) => match object.extract::<f64>() {
            Ok(_) => Err(type_error("a rule is needed here, and not a number")),
            Err(_) => Err(type_error(format!(
                "λ is {}, but it must be a number, a Lambda, the name of a rule such as \"gcv\", or a rule such as wellposed.Gcv()",
                object.repr()?
            ))),
        },
    }
}

/// The rules by the names of Python; `numbers` are the options in the order of the class's fields.
fn by_name(name: &str, numbers: &Bound<'_, PyTuple>) -> PyResult<Rule> {
    let number = |place: usize| numbers.get_item(place)?.extract::<f64>();
    let count = |place: usize| numbers.get_item(place)?.extract::<Count>().map(|count| count.0);
    let word = |place: usize| numbers.get_item(place)?.extract::<String>();
    Ok(match name {
        "gcv" => Gcv.into(),
        "robust_gcv" => Gcv.robust(number(0)?).into(),
        "strong_robust_gcv" => Gcv.strong_robust(number(0)?).into(),
        "modified_gcv" => Gcv.modified(number(0)?).into(),
        "weighted_gcv" => Gcv.weighted(number(0)?).into(),
        "loo" if numbers.is_empty() || !numbers.get_item(0)?.extract::<bool>()? => Loo.into(),
        "loo" => Loo.one_standard_error().into(),
        "kfold" => {
            let folds = KFold::new(count(0)?);
            let folds = match numbers.get_item(1)?.extract::<bool>()? {
                true => folds.blocks(),
                false => folds.seed(numbers.get_item(2)?.extract::<Seed>()?.0),
            };
            match numbers.get_item(3)?.extract::<bool>()? {
                true => folds.one_standard_error().into(),
                false => folds.into(),
            }
        }
        "evidence" | "reml" if numbers.is_empty() => Evidence.into(),
        "evidence" | "reml" => match word(0)?.as_str() {
            "noise_std" => Evidence::noise_std(number(1)?).into(),
            "whitened" => Evidence::whitened().into(),
            _ => Evidence.into(),
        },
        HIERARCHICAL => {
            return Err(value_error(
                numbers.py(),
                "hyper-priors belong to a posterior, and not to a solution: Problem.posterior(b, evidence), or Evidence() without them",
            ));
        }
        "gml" => Gml.into(),
        "aicc" => Aicc.into(),
        "bic" => Bic.into(),
        "lcurve" if numbers.is_empty() => LCurve.into(),
        "lcurve" => match word(0)?.as_str() {
            "curvature" => LCurve.into(),
            "pruning" => LCurve::pruning().into(),
            "triangle" => LCurve::triangle().into(),
            corner => return Err(unknown(numbers.py(), "the corner of an L-curve", corner, "\"curvature\", \"pruning\" or \"triangle\"")),
        },
        "quasi_optimality" => QuasiOptimality.into(),
        "reginska" => Reginska::new(if numbers.is_empty() { 1.0 } else { number(0)? }).into(),
        "ncp" if numbers.is_empty() || numbers.get_item(0)?.is_none() => Ncp.into(),
        "ncp" => {
            let (rows, columns) = numbers.get_item(0)?.extract()?;
            Ncp.grid(rows, columns).into()
        }
        "hoerl_kennard_baldwin" => HoerlKennardBaldwin.into(),
        "lawless_wang" => LawlessWang.into(),
        "effective_dof" => EffectiveDof(number(0)?).into(),
        "norm_fraction" => NormFraction(number(0)?).into(),
        "penalty_norm" => PenaltyNorm::at_most(number(0)?).into(),
        "upre" if numbers.is_empty() => Upre::estimated().into(),
        "upre" => match word(0)?.as_str() {
            "noise_std" => Upre::noise_std(number(1)?).into(),
            "whitened" => Upre::whitened().into(),
            _ => Upre::estimated().into(),
        },
        "balancing" if numbers.is_empty() => Balancing::estimated().into(),
        "balancing" => match word(0)?.as_str() {
            "noise_std" => Balancing::noise_std(number(1)?).into(),
            "whitened" => Balancing::whitened().into(),
            _ => Balancing::estimated().into(),
        },
        "discrepancy" if numbers.is_empty() => Discrepancy::estimated().into(),
        "discrepancy" => {
            let rule = match word(0)?.as_str() {
                "noise_norm" => Discrepancy::noise_norm(number(1)?),
                "relative_noise" => Discrepancy::relative_noise(number(1)?),
                "whitened" => Discrepancy::whitened(),
                _ => Discrepancy::estimated(),
            };
            let rule = rule.safety(number(2)?);
            let rule = if numbers.get_item(3)?.extract::<bool>()? { rule.monotone_error() } else { rule };
            if numbers.get_item(4)?.extract::<bool>()? { rule.at_most().into() } else { rule.into() }
        }
        _ => {
            return Err(unknown_rule(numbers.py(), name));
        }
    })
}

fn unknown_rule(py: Python<'_>, name: &str) -> PyErr {
    let known = "\"gcv\", \"loo\", \"reml\", \"evidence\", \"gml\", \"aicc\", \"bic\", \"upre\", \"discrepancy\", \"balancing\", \
                 \"lcurve\", \"quasi_optimality\", \"reginska\", \"ncp\", \"hoerl_kennard_baldwin\" or \"lawless_wang\"; \
                 rules with options are classes such as wellposed.KFold(5)";
    unknown(py, "the rule", name, known)
}

/// The name of [`Evidence`] with hyper-priors.
const HIERARCHICAL: &str = "hierarchical_evidence";

/// What finds λ and the noise of a posterior: a number, a rule, or evidence with hyper-priors. Evidence unless given.
pub fn scales(object: Option<&Bound<'_, PyAny>>) -> PyResult<Scales> {
    let Some(object) = object else { return Ok(Evidence.into()) };
    let given = object.getattr("_specification").and_then(|s| s.extract::<(String, Bound<'_, PyTuple>, bool)>());
    match given {
        Ok((name, priors, _)) if name == HIERARCHICAL => {
            let prior = |place: usize| match priors.get_item(place)? {
                none if none.is_none() => Ok(None),
                prior => hyper_prior(&prior).map(Some),
            };
            let evidence: HierarchicalEvidence = Evidence.scale_prior(prior(1)?.unwrap_or_else(HyperPrior::flat));
            Ok(prior(0)?.map_or(evidence, |noise| evidence.noise_prior(noise)).into())
        }
        _ => Ok(choice(object)?.into()),
    }
}

/// `wellposed.HyperPrior`.
fn hyper_prior(object: &Bound<'_, PyAny>) -> PyResult<HyperPrior> {
    let given = object.getattr("_specification").and_then(|s| s.extract::<(String, Vec<f64>)>());
    Ok(match given.as_ref().map(|(name, numbers)| (name.as_str(), numbers.as_slice())) {
        Ok(("flat", _)) => HyperPrior::flat(),
        Ok(("log_normal", &[median, log_std])) => HyperPrior::log_normal(median, log_std),
        Ok(("gamma_precision", &[shape, rate])) => HyperPrior::gamma_precision(shape, rate),
        Ok(("gamma_std", &[shape, rate])) => HyperPrior::gamma_std(shape, rate),
        Ok(("half_normal", &[scale])) => HyperPrior::half_normal(scale),
        Ok(("half_cauchy", &[scale])) => HyperPrior::half_cauchy(scale),
        _ => {
            let found = object.repr()?;
            return Err(type_error(format!(
                "the hyper-prior is {found}, but it must be one such as wellposed.HyperPrior.half_cauchy(1.0)"
            )));
        }
    })
}

/// The refusal of a word that is none of those known.
pub fn unknown(py: Python<'_>, what: &str, found: &str, known: &str) -> PyErr {
    value_error(py, in_python(&format!("{what} is {found:?}, but it must be {known}")))
}
