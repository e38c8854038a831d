//! One expression language for breakpoints, filters, scene checks and
//! conditional events.
//!
//! ```text
//! v(H12) < 0.94 and closed(M2)        a moment of the run
//! v < 0.99 & mlmd = M4                an object of the filter
//! max(loading(LINE3), loading(TR1)) > 90 %
//! time >= 12:30
//! ```
//!
//! Values are numbers, truth values (1 and 0) and names. A name without
//! parentheses asks the [`Names`] in force; `name(ID)` asks it about an
//! object. `%` after a number divides by 100, `12:30` and `12:30:05` are
//! seconds since midnight. Evaluation never fails: what is unknown or not
//! measured is [`Value::Nothing`], and a comparison with it does not hold.

mod parse;

pub use parse::{ParseError, parse};

/// What an expression or a part of it is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number; truth values are 1 and 0.
    Number(f64),
    /// A name, for example of an M-LMD.
    Text(String),
    /// Not known, not measured, not there.
    Nothing,
}

impl Value {
    /// A truth value.
    #[must_use]
    pub fn truth(value: bool) -> Self {
        Self::Number(if value { 1.0 } else { 0.0 })
    }

    /// Whether it counts as true: a number other than zero.
    #[must_use]
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Number(n) if *n != 0.0 && !n.is_nan())
    }

    /// The number, where it is one.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(n) if n.is_finite() => Some(*n),
            _ => None,
        }
    }
}

impl From<Option<f64>> for Value {
    fn from(value: Option<f64>) -> Self {
        value
            .filter(|v| v.is_finite())
            .map_or(Self::Nothing, Self::Number)
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(n) if *n == n.trunc() && n.abs() < 1e12 => write!(f, "{n:.0}"),
            Self::Number(n) => write!(f, "{n:.4}"),
            Self::Text(text) => f.write_str(text),
            Self::Nothing => f.write_str("–"),
        }
    }
}

/// Comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `=`, `==`
    Same,
    /// `!=`
    Other,
}

/// Arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

/// Functions of the language itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Magnitude.
    Abs,
    /// Smallest of its arguments.
    Min,
    /// Largest of its arguments.
    Max,
}

/// A read expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A literal.
    Number(f64),
    /// `name` or `name(ID)`.
    Name(String, Option<String>),
    /// `not x`
    Not(Box<Expr>),
    /// `-x`
    Negative(Box<Expr>),
    /// `a and b and ...`
    All(Vec<Expr>),
    /// `a or b or ...`
    Any(Vec<Expr>),
    /// `a < b`
    Compared(Compare, Box<Expr>, Box<Expr>),
    /// `a + b`
    Calculated(Arithmetic, Box<Expr>, Box<Expr>),
    /// `max(a, b)`
    Called(Function, Vec<Expr>),
}

/// Where names get their values.
pub trait Names {
    /// The value of `name` or `name(id)`; [`Value::Nothing`] when not known.
    fn value(&self, name: &str, id: Option<&str>) -> Value;
}

impl<F: Fn(&str, Option<&str>) -> Value> Names for F {
    fn value(&self, name: &str, id: Option<&str>) -> Value {
        self(name, id)
    }
}

impl Expr {
    /// The value under `names`.
    #[must_use]
    pub fn eval(&self, names: &dyn Names) -> Value {
        match self {
            Self::Number(n) => Value::Number(*n),
            Self::Name(name, id) => match names.value(name, id.as_deref()) {
                // A word that means nothing here stands for itself: `mlmd = M4`.
                Value::Nothing if id.is_none() => Value::Text(name.clone()),
                value => value,
            },
            Self::Not(inner) => Value::truth(!inner.eval(names).is_true()),
            Self::Negative(inner) => inner.eval(names).number().map(|n| -n).into(),
            Self::All(parts) => Value::truth(parts.iter().all(|p| p.eval(names).is_true())),
            Self::Any(parts) => Value::truth(parts.iter().any(|p| p.eval(names).is_true())),
            Self::Compared(how, a, b) => {
                Value::truth(compared(*how, &a.eval(names), &b.eval(names)))
            }
            Self::Calculated(how, a, b) => match (a.eval(names).number(), b.eval(names).number()) {
                (Some(a), Some(b)) => Some(match how {
                    Arithmetic::Add => a + b,
                    Arithmetic::Subtract => a - b,
                    Arithmetic::Multiply => a * b,
                    Arithmetic::Divide => a / b,
                })
                .into(),
                _ => Value::Nothing,
            },
            Self::Called(function, parts) => {
                let numbers: Option<Vec<f64>> =
                    parts.iter().map(|p| p.eval(names).number()).collect();
                let Some(numbers) = numbers else {
                    return Value::Nothing;
                };
                match function {
                    Function::Abs => numbers.first().map(|n| n.abs()),
                    Function::Min => numbers.iter().copied().reduce(f64::min),
                    Function::Max => numbers.iter().copied().reduce(f64::max),
                }
                .into()
            }
        }
    }

    /// Calls `visit` with every name in the expression.
    pub fn visit_names(&self, visit: &mut dyn FnMut(&str, Option<&str>)) {
        match self {
            Self::Number(_) => {}
            Self::Name(name, id) => visit(name, id.as_deref()),
            Self::Not(a) | Self::Negative(a) => a.visit_names(visit),
            Self::All(parts) | Self::Any(parts) | Self::Called(_, parts) => {
                parts.iter().for_each(|part| part.visit_names(visit));
            }
            Self::Compared(_, a, b) | Self::Calculated(_, a, b) => {
                a.visit_names(visit);
                b.visit_names(visit);
            }
        }
    }
}

fn compared(how: Compare, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match how {
            Compare::Less => a < b,
            Compare::AtMost => a <= b,
            Compare::More => a > b,
            Compare::AtLeast => a >= b,
            Compare::Same => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
            Compare::Other => (a - b).abs() > 1e-9 * a.abs().max(b.abs()).max(1.0),
        },
        (Value::Text(a), Value::Text(b)) => match how {
            Compare::Same => a.eq_ignore_ascii_case(b),
            Compare::Other => !a.eq_ignore_ascii_case(b),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(name: &str, id: Option<&str>) -> Value {
        match (name, id) {
            ("v", Some("H1")) => Value::Number(0.93),
            ("closed", Some("M2")) => Value::truth(true),
            ("mlmd", None) => Value::Text("M4".into()),
            ("kw", None) => Value::Number(-3.0),
            ("time", None) => Value::Number(45_000.0),
            _ => Value::Nothing,
        }
    }

    fn eval(text: &str) -> Value {
        parse(text).expect(text).eval(&world)
    }

    #[test]
    fn conditions_hold_or_not() {
        for (text, holds) in [
            ("v(H1) < 0.94 and closed(M2)", true),
            ("v(H1) < 94 % & !closed(M2)", false),
            ("mlmd = m4 or kw > 0", true),
            ("not (kw + 2 * 2 > 0) or abs(kw) >= 3", true),
            ("max(kw, -5, 2) = 2 and min(kw, -5) == -5", true),
            ("time >= 12:30 and time < 12:30:01", true),
            ("v(H9) < 2", false),
            ("v(H9) > 0", false),
            ("not v(H9) > 0", true),
            ("1 - 2 - 3 = -4 and 8 / 2 / 2 = 2", true),
        ] {
            assert_eq!(eval(text).is_true(), holds, "{text}");
        }
        assert_eq!(eval("1 / 0"), Value::Nothing);
        assert_eq!(eval("kw * 2"), Value::Number(-6.0));
    }

    #[test]
    fn errors_name_the_place() {
        for (text, at) in [
            ("v(H1", 4),
            ("v(H1) <", 7),
            ("1 +* 2", 3),
            ("(1", 2),
            ("a b", 2),
            ("3 # 4", 2),
            ("", 0),
            ("abs()", 4),
            ("25:71", 0),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.at, at, "{text}: {error}");
        }
        let deep = "(".repeat(10_000);
        assert!(parse(&deep).is_err());
    }
}
