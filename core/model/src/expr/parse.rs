//! Text to [`Expr`]: a recursive-descent reader with a depth limit.

use super::{Arithmetic, Compare, Expr, Function};

/// Deepest nesting read.
const MAX_DEPTH: u32 = 64;

/// Longest expression read, bytes.
const MAX_LEN: usize = 2_000;

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {at}")]
pub struct ParseError {
    /// Byte offset in the text.
    pub at: usize,
    /// What is wrong and what to write.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Word(String),
    Sign(&'static str),
    End,
}

/// Reads an expression.
///
/// # Errors
/// Names the place and what was expected there.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    if text.len() > MAX_LEN {
        return Err(ParseError {
            at: MAX_LEN,
            message: format!("longer than {MAX_LEN} bytes"),
        });
    }
    let mut reader = Reader {
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    let expr = reader.any()?;
    reader.expect_end()?;
    Ok(expr)
}

/// Signs, longest first.
const SIGNS: [&str; 18] = [
    "<=", ">=", "==", "!=", "&&", "||", "<", ">", "=", "!", "&", "|", "+", "-", "*", "/", "(", ")",
];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ParseError> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() {
            at += 1;
        } else if byte.is_ascii_digit() || byte == b'.' {
            let end = run(bytes, at, |b| {
                b.is_ascii_digit() || matches!(b, b'.' | b':')
            });
            out.push((at, Token::Number(number(&text[at..end], at)?)));
            at = end;
        } else if byte.is_ascii_alphabetic() || byte == b'_' {
            let end = run(bytes, at, |b| {
                b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')
            });
            out.push((at, Token::Word(text[at..end].to_owned())));
            at = end;
        } else if byte == b'"' {
            let end = text[at + 1..].find('"').map(|i| at + 1 + i);
            let Some(end) = end else {
                return Err(wrong(at, "a name in quotes does not end"));
            };
            out.push((at, Token::Word(text[at + 1..end].to_owned())));
            at = end + 1;
        } else if byte == b'%' || byte == b',' {
            out.push((at, Token::Sign(if byte == b'%' { "%" } else { "," })));
            at += 1;
        } else if let Some(sign) = SIGNS.iter().find(|sign| text[at..].starts_with(**sign)) {
            out.push((at, Token::Sign(sign)));
            at += sign.len();
        } else {
            return Err(wrong(at, "this character means nothing here"));
        }
    }
    out.push((text.len(), Token::End));
    Ok(out)
}

fn run(bytes: &[u8], from: usize, keep: impl Fn(u8) -> bool) -> usize {
    let length = bytes[from..].iter().take_while(|b| keep(**b)).count();
    from + length
}

/// `3.5`, or a time of day in seconds.
fn number(text: &str, at: usize) -> Result<f64, ParseError> {
    if !text.contains(':') {
        return text.parse().map_err(|_| wrong(at, "this is not a number"));
    }
    let time = || wrong(at, "write a time as 12:30 or 12:30:05");
    let parts: Option<Vec<u32>> = text.split(':').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([h, m]) if *m < 60 => Ok(f64::from(h * 3_600 + m * 60)),
        Some([h, m, s]) if *m < 60 && *s < 60 => Ok(f64::from(h * 3_600 + m * 60 + s)),
        _ => Err(time()),
    }
}

fn wrong(at: usize, message: &str) -> ParseError {
    ParseError {
        at,
        message: message.to_owned(),
    }
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: u32,
}

impl Reader {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |t| &t.1)
    }

    fn at(&self) -> usize {
        self.tokens
            .get(self.next)
            .or(self.tokens.last())
            .map_or(0, |t| t.0)
    }

    fn take_sign(&mut self, signs: &[&str]) -> Option<&'static str> {
        match self.peek() {
            Token::Sign(sign) if signs.contains(sign) => {
                let sign = *sign;
                self.next += 1;
                Some(sign)
            }
            _ => None,
        }
    }

    fn take_word(&mut self, words: &[&str]) -> bool {
        let found = matches!(self.peek(), Token::Word(word)
            if words.iter().any(|w| word.eq_ignore_ascii_case(w)));
        self.next += usize::from(found);
        found
    }

    fn expect_end(&self) -> Result<(), ParseError> {
        match self.peek() {
            Token::End => Ok(()),
            _ => Err(wrong(
                self.at(),
                "expected and, or, a comparison or the end",
            )),
        }
    }

    fn any(&mut self) -> Result<Expr, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(wrong(self.at(), "nested too deeply"));
        }
        let mut parts = vec![self.all()?];
        while self.take_word(&["or"]) || self.take_sign(&["|", "||"]).is_some() {
            parts.push(self.all()?);
        }
        self.depth -= 1;
        Ok(one_or(parts, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, ParseError> {
        let mut parts = vec![self.truth()?];
        while self.take_word(&["and"]) || self.take_sign(&["&", "&&"]).is_some() {
            parts.push(self.truth()?);
        }
        Ok(one_or(parts, Expr::All))
    }

    fn truth(&mut self) -> Result<Expr, ParseError> {
        let mut negations = 0_usize;
        while self.take_word(&["not"]) || self.take_sign(&["!"]).is_some() {
            negations += 1;
        }
        let mut expr = self.comparison()?;
        if negations % 2 == 1 {
            expr = Expr::Not(Box::new(expr));
        }
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Expr, ParseError> {
        let left = self.sum()?;
        let Some(sign) = self.take_sign(&["<=", ">=", "==", "!=", "<", ">", "="]) else {
            return Ok(left);
        };
        let how = match sign {
            "<" => Compare::Less,
            "<=" => Compare::AtMost,
            ">" => Compare::More,
            ">=" => Compare::AtLeast,
            "!=" => Compare::Other,
            _ => Compare::Same,
        };
        let right = self.sum()?;
        Ok(Expr::Compared(how, Box::new(left), Box::new(right)))
    }

    fn sum(&mut self) -> Result<Expr, ParseError> {
        let mut left = self.product()?;
        while let Some(sign) = self.take_sign(&["+", "-"]) {
            let how = if sign == "+" {
                Arithmetic::Add
            } else {
                Arithmetic::Subtract
            };
            left = Expr::Calculated(how, Box::new(left), Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr, ParseError> {
        let mut left = self.factor()?;
        while let Some(sign) = self.take_sign(&["*", "/"]) {
            let how = if sign == "*" {
                Arithmetic::Multiply
            } else {
                Arithmetic::Divide
            };
            left = Expr::Calculated(how, Box::new(left), Box::new(self.factor()?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expr, ParseError> {
        if self.take_sign(&["-"]).is_some() {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(wrong(self.at(), "nested too deeply"));
            }
            let inner = self.factor()?;
            self.depth -= 1;
            return Ok(Expr::Negative(Box::new(inner)));
        }
        let at = self.at();
        match self.peek().clone() {
            Token::Number(n) => {
                self.next += 1;
                let share = self.take_sign(&["%"]).is_some();
                Ok(Expr::Number(if share { n / 100.0 } else { n }))
            }
            Token::Sign("(") => {
                self.next += 1;
                let inner = self.any()?;
                self.close()?;
                Ok(inner)
            }
            Token::Word(word) => {
                self.next += 1;
                self.named(word)
            }
            _ => Err(wrong(at, "expected a number, a name or (")),
        }
    }

    fn named(&mut self, word: String) -> Result<Expr, ParseError> {
        if self.take_sign(&["("]).is_none() {
            return Ok(match word.to_ascii_lowercase().as_str() {
                "true" => Expr::Number(1.0),
                "false" => Expr::Number(0.0),
                _ => Expr::Name(word, None),
            });
        }
        let function = match word.as_str() {
            "abs" => Some(Function::Abs),
            "min" => Some(Function::Min),
            "max" => Some(Function::Max),
            _ => None,
        };
        let Some(function) = function else {
            let at = self.at();
            let id = match self.peek().clone() {
                Token::Word(id) => id,
                Token::Number(n) => format!("{n}"),
                _ => return Err(wrong(at, "expected the id of an object, for example H12")),
            };
            self.next += 1;
            self.close()?;
            return Ok(Expr::Name(word, Some(id)));
        };
        let mut parts = vec![self.any()?];
        while self.take_sign(&[","]).is_some() {
            parts.push(self.any()?);
        }
        self.close()?;
        Ok(Expr::Called(function, parts))
    }

    fn close(&mut self) -> Result<(), ParseError> {
        if self.take_sign(&[")"]).is_some() {
            Ok(())
        } else {
            Err(wrong(self.at(), "expected )"))
        }
    }
}

fn one_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1
        && let Some(one) = parts.pop()
    {
        return one;
    }
    many(parts)
}
