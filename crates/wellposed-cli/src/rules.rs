//! The rules that choose λ, by the names that `--lambda` takes: one table, which parsing, help and errors share.

use crate::arguments::{Model, Noise};
use crate::failure::Failure;
use std::fmt;
use std::str::FromStr;
use wellposed::{
    Aicc, Balancing, Bic, Choice, Discrepancy, EffectiveDof, Evidence, Gcv, HoerlKennardBaldwin, KFold, LCurve, LawlessWang, Loo, Ncp,
    NormFraction, QuasiOptimality, Reginska, Rule, Upre,
};

/// What is known of the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Level {
    /// ‖noise‖, in whitened units.
    Norm(f64),
    /// ‖noise‖ / ‖b‖.
    Relative(f64),
    /// The standard deviation of each row, which has been divided out.
    Whitened,
    /// Nothing.
    Unknown,
}

impl Level {
    /// As the command line says.
    pub fn new(noise: &Noise, model: &Model) -> Self {
        match (noise.noise_norm, noise.relative_noise, &model.noise_std) {
            (Some(norm), _, _) => Self::Norm(norm),
            (None, Some(fraction), _) => Self::Relative(fraction),
            (None, None, Some(_)) => Self::Whitened,
            (None, None, None) => Self::Unknown,
        }
    }

    /// The discrepancy principle, which needs a level.
    ///
    /// # Errors
    /// There is none.
    pub fn discrepancy(self, safety: f64) -> Result<Discrepancy, Failure> {
        let rule = match self {
            Self::Norm(norm) => Discrepancy::noise_norm(norm),
            Self::Relative(fraction) => Discrepancy::relative_noise(fraction),
            Self::Whitened => Discrepancy::whitened(),
            Self::Unknown => {
                return Err(Failure::Usage("--lambda discrepancy needs the noise: --noise-norm, --relative-noise or --noise-std".into()));
            }
        };
        Ok(rule.safety(safety))
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    /// A rule without a parameter.
    Plain(fn() -> Rule),
    /// NAME or NAME:NUMBER.
    Optional(f64, fn(f64) -> Rule),
    /// NAME:NUMBER.
    Required(fn(f64) -> Rule),
    /// NAME or NAME:COUNT.
    Count(usize, fn(usize) -> Rule),
    /// The noise norm decides.
    Discrepancy,
    /// The same, of the monotone-error rule.
    MonotoneError,
    /// With the noise's standard deviation where `--noise-std` gives it, else estimated from the data: first and second.
    Noise(fn() -> Rule, fn() -> Rule),
}

/// A rule by name.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// As typed.
    pub name: &'static str,
    /// How its parameter is typed, with the colon; empty if there is none.
    pub parameter: &'static str,
    meaning: Meaning,
}

impl PartialEq for Named {
    // names are unique
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.parameter)
    }
}

const fn named(name: &'static str, parameter: &'static str, meaning: Meaning) -> Named {
    Named { name, parameter, meaning }
}

/// Every rule that can be named. Parameters that are left out have the values of the library's own comparison.
pub const RULES: &[Named] = &[
    named("gcv", "", Meaning::Plain(|| Gcv.into())),
    named("robust-gcv", "[:GAMMA]", Meaning::Optional(0.3, |gamma| Gcv.robust(gamma).into())),
    named("strong-robust-gcv", "[:GAMMA]", Meaning::Optional(0.95, |gamma| Gcv.strong_robust(gamma).into())),
    named("modified-gcv", "[:FACTOR]", Meaning::Optional(1.4, |factor| Gcv.modified(factor).into())),
    named("loo", "", Meaning::Plain(|| Loo.into())),
    named("kfold", "[:FOLDS]", Meaning::Count(10, |folds| KFold::new(folds).into())),
    named("evidence", "", Meaning::Plain(|| Evidence.into())),
    named("aicc", "", Meaning::Plain(|| Aicc.into())),
    named("bic", "", Meaning::Plain(|| Bic.into())),
    named("upre", "", Meaning::Noise(|| Upre::whitened().into(), || Upre::estimated().into())),
    named("discrepancy", "", Meaning::Discrepancy),
    named("monotone-error", "", Meaning::MonotoneError),
    named("balancing", "", Meaning::Noise(|| Balancing::whitened().into(), || Balancing::estimated().into())),
    named("l-curve", "", Meaning::Plain(|| LCurve.into())),
    named("l-curve-pruning", "", Meaning::Plain(|| LCurve::pruning().into())),
    named("l-curve-triangle", "", Meaning::Plain(|| LCurve::triangle().into())),
    named("quasi-optimality", "", Meaning::Plain(|| QuasiOptimality.into())),
    named("reginska", "[:MU]", Meaning::Optional(1.0, |mu| Reginska::new(mu).into())),
    named("ncp", "", Meaning::Plain(|| Ncp.into())),
    named("hkb", "", Meaning::Plain(|| HoerlKennardBaldwin.into())),
    named("lawless-wang", "", Meaning::Plain(|| LawlessWang.into())),
    named("dof", ":NUMBER", Meaning::Required(|dof| EffectiveDof(dof).into())),
    named("norm-fraction", ":FRACTION", Meaning::Required(|fraction| NormFraction(fraction).into())),
];

/// All names, with their parameters.
pub fn list() -> String {
    RULES.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A number or a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LambdaChoice {
    /// λ.
    Number(f64),
    /// A rule, with the parameter that was given.
    Rule(&'static Named, Option<f64>),
}

impl LambdaChoice {
    /// λ, where it is a number.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Number(lambda) => Some(lambda),
            Self::Rule(..) => None,
        }
    }

    /// Whether a noise norm is of use.
    pub fn takes_noise_norm(self) -> bool {
        matches!(self, Self::Rule(Named { meaning: Meaning::Discrepancy | Meaning::MonotoneError, .. }, _))
    }

    /// As the library takes it.
    ///
    /// # Errors
    /// A rule that needs a noise level, where there is none.
    pub fn choice(self, level: Level, safety: f64) -> Result<Choice, Failure> {
        let (rule, parameter) = match self {
            Self::Number(lambda) => return Ok(lambda.into()),
            Self::Rule(rule, parameter) => (rule, parameter),
        };
        Ok(match rule.meaning {
            Meaning::Plain(make) => make(),
            Meaning::Optional(usual, make) => make(parameter.unwrap_or(usual)),
            // parsing has seen to it that there is one; the library refuses NaN with the name of the parameter
            Meaning::Required(make) => make(parameter.unwrap_or(f64::NAN)),
            Meaning::Count(usual, make) => make(parameter.map_or(usual, |count| count as usize)),
            Meaning::Discrepancy => level.discrepancy(safety)?.into(),
            Meaning::MonotoneError => level.discrepancy(safety)?.monotone_error().into(),
            Meaning::Noise(whitened, estimated) => {
                if level == Level::Whitened {
                    whitened()
                } else {
                    estimated()
                }
            }
        }
        .into())
    }
}

impl FromStr for LambdaChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(lambda) = text.parse() {
            return Ok(Self::Number(lambda));
        }
        let (name, parameter) = text.split_once(':').map_or((text, None), |(name, parameter)| (name, Some(parameter)));
        let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
            return Err(format!("give a number or a rule: {}", list()));
        };
        let misfit = || format!("give it as {rule}");
        match (rule.meaning, parameter) {
            (Meaning::Required(_), None) => Err(misfit()),
            (_, None) => Ok(Self::Rule(rule, None)),
            // a count that a double holds exactly
            (Meaning::Count(..), Some(count)) => Ok(Self::Rule(
                rule,
                Some(count.parse::<u32>().map(f64::from).map_err(|_| format!("{}: FOLDS is a whole number", misfit()))?),
            )),
            (Meaning::Optional(..) | Meaning::Required(_), Some(number)) => {
                Ok(Self::Rule(rule, Some(number.parse().map_err(|_| misfit())?)))
            }
            (_, Some(_)) => Err(misfit()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Choice {
        text.parse::<LambdaChoice>().unwrap().choice(Level::Unknown, 1.0).unwrap()
    }

    #[test]
    fn words_mean_what_they_say() {
        assert_eq!("1e-3".parse(), Ok(LambdaChoice::Number(1e-3)));
        assert_eq!(rule("robust-gcv:0.5"), Gcv.robust(0.5).into());
        assert_eq!(rule("kfold"), KFold::new(10).into());
        assert_eq!(rule("kfold:5"), KFold::new(5).into());
        assert_eq!(rule("dof:2.5"), EffectiveDof(2.5).into());
        assert_eq!(rule("upre"), Upre::estimated().into());
        let known = |text: &str, level| text.parse::<LambdaChoice>().unwrap().choice(level, 1.5).unwrap();
        assert_eq!(known("upre", Level::Whitened), Upre::whitened().into());
        assert_eq!(known("discrepancy", Level::Relative(0.1)), Discrepancy::relative_noise(0.1).safety(1.5).into());
        assert_eq!(known("monotone-error", Level::Norm(2.0)), Discrepancy::noise_norm(2.0).safety(1.5).monotone_error().into());
        for wrong in ["gvc", "robust-gcv:x", "gcv:1", "dof", "dof:", "kfold:2.5", "kfold:-1", "discrepancy:1", ""] {
            assert!(wrong.parse::<LambdaChoice>().is_err(), "{wrong}");
        }
        assert!("discrepancy".parse::<LambdaChoice>().unwrap().choice(Level::Unknown, 1.0).is_err());
    }

    /// No rule is under two names, and none under the name of another: the library's names are as many as ours.
    #[test]
    fn every_name_is_a_rule_of_its_own() {
        let mut choices: Vec<String> = Vec::new();
        for named in RULES {
            let text = if matches!(named.meaning, Meaning::Required(_)) { format!("{}:0.5", named.name) } else { named.name.to_owned() };
            let choice = text.parse::<LambdaChoice>().unwrap().choice(Level::Norm(1.0), 1.0).unwrap();
            let printed = format!("{choice}");
            assert!(!choices.contains(&printed), "{printed}");
            choices.push(printed);
        }
    }
}
