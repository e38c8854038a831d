//! Splits deck lines into parameters.

use crate::Place;

/// A parameter of a command: `name=value`, or a value alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Param {
    /// Name before the equals sign, lower case; empty for a value alone.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: Value,
}

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    /// Text without its outer quotes or brackets.
    pub(crate) text: String,
    /// Whether it stood in quotes or brackets.
    pub(crate) quoted: bool,
    /// Where it stands.
    pub(crate) at: Place,
}

/// Removes comments from a line; `in_block` says whether it starts inside `/* ... */`.
pub(crate) fn strip_comment(line: &str, in_block: &mut bool) -> String {
    let trimmed = line.trim_start();
    if *in_block {
        if trimmed.contains("*/") {
            *in_block = false;
        }
        return String::new();
    }
    if trimmed.starts_with("/*") {
        *in_block = !trimmed.contains("*/");
        return String::new();
    }
    let mut quote: Option<char> = None;
    let chars: Vec<(usize, char)> = line.char_indices().collect();
    for (i, &(at, c)) in chars.iter().enumerate() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '!' => return line[..at].to_owned(),
            None if c == '/' && chars.get(i + 1).is_some_and(|n| n.1 == '/') => {
                return line[..at].to_owned();
            }
            None => {}
        }
    }
    line.to_owned()
}

fn closing(open: char) -> Option<char> {
    Some(match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '"' => '"',
        '\'' => '\'',
        _ => return None,
    })
}

/// Parameters of a command line without comments.
///
/// # Errors
/// If a bracket or quote is not closed on the line.
pub(crate) fn params(line: &str, at: &Place) -> Result<Vec<Param>, String> {
    let chars: Vec<char> = line.chars().collect();
    let mut i = 0;
    let mut out: Vec<Param> = Vec::new();
    let mut pending: Option<String> = None;
    while i < chars.len() {
        let c = chars[i];
        if c.is_whitespace() || c == ',' {
            i += 1;
            continue;
        }
        if c == '=' {
            // The last lone value was a name.
            if pending.is_none() {
                match out.pop() {
                    Some(last) if last.name.is_empty() => {
                        pending = Some(last.value.text.to_lowercase());
                    }
                    Some(last) => out.push(last),
                    None => return Err("an equals sign without a name".to_owned()),
                }
            }
            i += 1;
            continue;
        }
        let (text, quoted, next) = token(&chars, i)?;
        i = next;
        out.push(Param {
            name: pending.take().unwrap_or_default(),
            value: Value {
                text,
                quoted,
                at: at.clone(),
            },
        });
    }
    if let Some(name) = pending {
        out.push(Param {
            name,
            value: Value {
                text: String::new(),
                quoted: false,
                at: at.clone(),
            },
        });
    }
    Ok(out)
}

fn token(chars: &[char], start: usize) -> Result<(String, bool, usize), String> {
    if let Some(end) = closing(chars[start]) {
        let open = chars[start];
        let mut depth = 1;
        let mut i = start + 1;
        while i < chars.len() {
            let c = chars[i];
            if c == end {
                depth -= 1;
                if depth == 0 {
                    return Ok((chars[start + 1..i].iter().collect(), true, i + 1));
                }
            } else if c == open {
                depth += 1;
            }
            i += 1;
        }
        return Err(format!("`{open}` is not closed on this line"));
    }
    let mut i = start;
    while i < chars.len() && !chars[i].is_whitespace() && chars[i] != ',' && chars[i] != '=' {
        i += 1;
    }
    Ok((chars[start..i].iter().collect(), false, i))
}

impl Value {
    /// The value as a number; a quoted value may be a calculation in reverse Polish notation.
    pub(crate) fn number(&self) -> Result<f64, String> {
        number(&self.text, self.quoted)
    }

    /// The value as a whole number from 0.
    pub(crate) fn count(&self) -> Result<usize, String> {
        let value = self.number()?;
        if value >= 0.0 && value.fract() == 0.0 && value < 1e9 {
            Ok(value as usize)
        } else {
            Err(format!("`{}` is not a whole number", self.text))
        }
    }

    /// The value as yes or no.
    pub(crate) fn flag(&self) -> bool {
        matches!(
            self.text.trim().chars().next(),
            Some('y' | 'Y' | 't' | 'T' | '1')
        )
    }

    /// The value as a list of numbers.
    pub(crate) fn numbers(&self) -> Result<Vec<f64>, String> {
        self.words()
            .iter()
            .map(|w| {
                let inner = w.strip_prefix('(').and_then(|w| w.strip_suffix(')'));
                number(inner.unwrap_or(w), inner.is_some())
            })
            .collect()
    }

    /// The value as a list of words; brackets inside keep together.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut word = String::new();
        let mut depth = 0;
        for c in self.text.chars() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (c.is_whitespace() || c == ',' || c == '|') {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
            } else if c != '"' && c != '\'' {
                word.push(c);
            }
        }
        if !word.is_empty() {
            out.push(word);
        }
        out
    }

    /// The value as the lower triangle of a symmetric matrix of order `n`.
    pub(crate) fn triangle(&self, n: usize) -> Result<Vec<Vec<f64>>, String> {
        let rows: Vec<Vec<f64>> = self
            .text
            .split('|')
            .map(|row| {
                Value {
                    text: row.to_owned(),
                    quoted: false,
                    at: self.at.clone(),
                }
                .numbers()
            })
            .collect::<Result<_, _>>()?;
        let rows: Vec<Vec<f64>> = rows.into_iter().filter(|r| !r.is_empty()).collect();
        if rows.len() != n || rows.iter().enumerate().any(|(i, r)| r.len() <= i) {
            return Err(format!("a matrix of order {n} is needed"));
        }
        Ok(rows
            .into_iter()
            .enumerate()
            .map(|(i, mut r)| {
                r.truncate(i + 1);
                r
            })
            .collect())
    }
}

fn number(text: &str, calculate: bool) -> Result<f64, String> {
    let text = text.trim();
    if let Ok(value) = text.parse::<f64>() {
        return finite(value, text);
    }
    if calculate {
        return polish(text);
    }
    Err(format!("`{text}` is not a number"))
}

fn finite(value: f64, text: &str) -> Result<f64, String> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(format!("`{text}` is not a finite number"))
    }
}

/// Evaluates reverse Polish notation: `8 1000 /`.
fn polish(text: &str) -> Result<f64, String> {
    let mut stack: Vec<f64> = Vec::new();
    let missing = || format!("`{text}` is not a number or a calculation");
    for word in text.split([' ', '\t', ',']).filter(|w| !w.is_empty()) {
        if let Ok(value) = word.parse::<f64>() {
            stack.push(value);
            continue;
        }
        let x = stack.pop().ok_or_else(missing)?;
        let radians = core::f64::consts::PI / 180.0;
        let result = match word.to_lowercase().as_str() {
            "sqr" => x * x,
            "sqrt" => x.sqrt(),
            "inv" => 1.0 / x,
            "ln" => libm::log(x),
            "log10" => libm::log10(x),
            "exp" => libm::exp(x),
            "sin" => libm::sin(x * radians),
            "cos" => libm::cos(x * radians),
            "tan" => libm::tan(x * radians),
            "asin" => libm::asin(x) / radians,
            "acos" => libm::acos(x) / radians,
            "atan" => libm::atan(x) / radians,
            operator => {
                let y = stack.pop().ok_or_else(missing)?;
                match operator {
                    "+" => y + x,
                    "-" => y - x,
                    "*" => y * x,
                    "/" => y / x,
                    "^" => libm::pow(y, x),
                    _ => return Err(missing()),
                }
            }
        };
        stack.push(result);
    }
    match stack.as_slice() {
        [value] => finite(*value, text),
        [.., last] => finite(*last, text),
        [] => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<Param> {
        params(line, &Place::default()).expect("readable")
    }

    #[test]
    fn names_values_lists_and_spaces_are_told_apart() {
        let p = read("New Line.L1 Bus1 = 650.1 kVs=[2.4  2.4] XHL=(8 1000 /) 7");
        assert_eq!(p.len(), 6);
        assert_eq!(p[2].name, "bus1");
        assert_eq!(p[2].value.text, "650.1");
        assert_eq!(p[3].value.numbers(), Ok(vec![2.4, 2.4]));
        assert_eq!(p[4].value.number(), Ok(0.008));
        assert_eq!(p[5].name, "");
    }

    #[test]
    fn comments_end_a_line_but_not_inside_quotes() {
        let mut block = false;
        assert_eq!(strip_comment("a=1 ! note", &mut block), "a=1 ");
        assert_eq!(strip_comment("a=1 // note", &mut block), "a=1 ");
        assert_eq!(strip_comment("a='x!y'", &mut block), "a='x!y'");
        assert_eq!(strip_comment("/* start", &mut block), "");
        assert!(block);
        assert_eq!(strip_comment("end */", &mut block), "");
        assert!(!block);
    }

    #[test]
    fn an_open_bracket_is_an_error() {
        assert!(params("x=(1 2", &Place::default()).is_err());
    }

    #[test]
    fn matrices_are_read_full_or_as_triangles() {
        for text in ["x=(1 | 2 3)", "x=[1 2 | 2 3]"] {
            let p = read(text);
            assert_eq!(
                p[0].value.triangle(2),
                Ok(vec![vec![1.0], vec![2.0, 3.0]]),
                "{text}"
            );
        }
        assert!(read("x=(1 2)")[0].value.triangle(2).is_err());
    }

    #[test]
    fn calculations_follow_reverse_polish_notation() {
        let p = read("x=(1.051 0.88 0.001 3 * - - 115 12.47 / sqr *)");
        let ratio = 115.0_f64 / 12.47;
        let want = (1.051 - (0.88 - 0.003)) * ratio * ratio;
        let got = p[0].value.number().expect("a number");
        assert!((got - want).abs() < 1e-12);
    }
}
