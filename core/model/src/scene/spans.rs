//! Where in a RON text each value stands.
//!
//! The `ron` crate gives a place only for syntax and type errors. Problems of
//! meaning are found on the loaded scene, so this reader walks the same text
//! once more and keeps the offset of every value in a tree of the same shape.
//! It never judges: on anything unexpected it stops with what it has.

/// Deepest nesting followed; `ron` itself refuses more.
const MAX_DEPTH: u32 = 128;

/// Offset of a value and of the values inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    start: usize,
    body: Body,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Body {
    #[default]
    Leaf,
    Items(Vec<Node>),
    /// Struct fields and map entries.
    Named(Vec<(String, Node)>),
}

/// A place in the tree; a step that leads nowhere stays where it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a>(&'a Node);

impl<'a> At<'a> {
    pub(crate) fn root(node: &'a Node) -> Self {
        Self(node)
    }

    /// The value of a struct field or of a map key.
    pub(crate) fn field(self, name: &str) -> Self {
        match &self.0.body {
            Body::Named(entries) => entries
                .iter()
                .find(|(key, _)| key == name)
                .map_or(self, |(_, node)| Self(node)),
            _ => self,
        }
    }

    /// The element of a list or tuple.
    pub(crate) fn item(self, index: usize) -> Self {
        match &self.0.body {
            Body::Items(items) => items.get(index).map_or(self, Self),
            _ => self,
        }
    }

    /// Byte offset in the text.
    pub(crate) fn offset(self) -> usize {
        self.0.start
    }
}

/// Line and column, both from 1, of a byte offset.
pub(crate) fn line_col(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// Reads the places of all values of a RON text.
pub(crate) fn places(text: &str) -> Node {
    let mut reader = Reader {
        text: text.as_bytes(),
        pos: 0,
        depth: 0,
    };
    reader.blank();
    while reader.peek() == Some(b'#') {
        reader.skip_past(b']');
        reader.blank();
    }
    reader.value().unwrap_or_default()
}

struct Reader<'a> {
    text: &'a [u8],
    pos: usize,
    depth: u32,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    fn starts_with(&self, what: &[u8]) -> bool {
        self.text
            .get(self.pos..)
            .is_some_and(|rest| rest.starts_with(what))
    }

    fn skip_past(&mut self, byte: u8) {
        while let Some(b) = self.peek() {
            self.pos += 1;
            if b == byte {
                break;
            }
        }
    }

    /// Skips white space and comments.
    fn blank(&mut self) {
        loop {
            if self.starts_with(b"//") {
                self.skip_past(b'\n');
            } else if self.starts_with(b"/*") {
                self.block_comment();
            } else if self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
                self.pos += 1;
            } else {
                return;
            }
        }
    }

    /// Block comments nest in RON.
    fn block_comment(&mut self) {
        let mut open = 0_u32;
        while self.pos < self.text.len() {
            if self.starts_with(b"/*") {
                open += 1;
                self.pos += 2;
            } else if self.starts_with(b"*/") {
                open -= 1;
                self.pos += 2;
                if open == 0 {
                    return;
                }
            } else {
                self.pos += 1;
            }
        }
    }

    fn value(&mut self) -> Option<Node> {
        self.blank();
        let start = self.pos;
        let body = match self.peek()? {
            b'(' => self.list(b')')?,
            b'[' => self.list(b']')?,
            b'{' => self.list(b'}')?,
            b'"' => {
                self.string();
                Body::Leaf
            }
            b'\'' => {
                self.character();
                Body::Leaf
            }
            b'r' | b'b' if self.prefixed_string() => Body::Leaf,
            _ => return self.word(start),
        };
        Some(Node { start, body })
    }

    /// A number, a unit variant, or a name followed by `(`.
    fn word(&mut self, start: usize) -> Option<Node> {
        let name = self.take_word();
        if name.is_empty() {
            return None;
        }
        let some = name == b"Some";
        let after = self.pos;
        self.blank();
        if self.peek() != Some(b'(') {
            self.pos = after;
            return Some(Node {
                start,
                body: Body::Leaf,
            });
        }
        let body = self.list(b')')?;
        match body {
            // `Some(x)` and an implicit `x` have the same shape.
            Body::Items(mut items) if some && items.len() == 1 => items.pop(),
            body => Some(Node { start, body }),
        }
    }

    fn take_word(&mut self) -> &[u8] {
        let start = self.pos;
        while self
            .peek()
            .is_some_and(|b| !b.is_ascii_whitespace() && !b"()[]{},:\"/".contains(&b))
        {
            self.pos += 1;
        }
        self.text.get(start..self.pos).unwrap_or_default()
    }

    /// The inside of brackets: elements, `name: value` fields or map entries.
    fn list(&mut self, close: u8) -> Option<Body> {
        self.pos += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let (mut items, mut named) = (Vec::new(), Vec::new());
        loop {
            self.blank();
            match self.peek()? {
                b if b == close => {
                    self.pos += 1;
                    break;
                }
                b',' => self.pos += 1,
                _ => {
                    let start = self.pos;
                    let first = self.value()?;
                    let key = self.text.get(start..self.pos).unwrap_or_default();
                    let key = String::from_utf8_lossy(key);
                    self.blank();
                    if close != b']' && self.peek() == Some(b':') {
                        self.pos += 1;
                        let key = key.trim_matches('"').to_owned();
                        named.push((key, self.value()?));
                    } else {
                        items.push(first);
                    }
                }
            }
        }
        self.depth -= 1;
        Some(if named.is_empty() {
            Body::Items(items)
        } else {
            Body::Named(named)
        })
    }

    fn string(&mut self) {
        self.pos += 1;
        while let Some(b) = self.peek() {
            self.pos += 1;
            match b {
                b'\\' => self.pos += 1,
                b'"' => return,
                _ => {}
            }
        }
    }

    fn character(&mut self) {
        self.pos += 1;
        if self.peek() == Some(b'\\') {
            self.pos += 2;
        }
        self.skip_past(b'\'');
    }

    /// `r"…"`, `r#"…"#`, `b"…"`, `br#"…"#`; false if it is a plain word.
    fn prefixed_string(&mut self) -> bool {
        let mut at = self.pos;
        let raw = self.text.get(at..at + 2) == Some(b"br") || self.peek() == Some(b'r');
        while self.text.get(at).is_some_and(|b| b"br".contains(b)) && at < self.pos + 2 {
            at += 1;
        }
        let hashes = self
            .text
            .get(at..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| **b == b'#')
            .count();
        if self.text.get(at + hashes) != Some(&b'"') || (hashes > 0 && !raw) {
            return false;
        }
        if !raw {
            self.pos = at;
            self.string();
            return true;
        }
        self.pos = at + hashes + 1;
        let mut end = vec![b'"'];
        end.resize(hashes + 1, b'#');
        while self.pos < self.text.len() && !self.starts_with(&end) {
            self.pos += 1;
        }
        self.pos += end.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r##"#![enable(implicit_some)]
// a comment with (brackets
(
  format: 1, /* nested /* comment */ here */
  grid: Ron("a\"b.ron"),
  homes: [
    (id: "H1", pv: Some((kw_peak: 3.0)), kind: House),
    (id: r#"H"2"#, pv: (kw_peak: 4.0), draws: [("07:00", 1.5)]),
  ],
  preferences: {"green": (price: 1), "any": (price: 2)},
)"##;

    fn at(find: impl Fn(At<'_>) -> At<'_>) -> (usize, usize) {
        let tree = places(TEXT);
        line_col(TEXT, find(At::root(&tree)).offset())
    }

    #[test]
    fn every_value_has_its_place() {
        assert_eq!(at(|a| a.field("format")), (4, 11));
        assert_eq!(at(|a| a.field("grid").item(0)), (5, 13));
        assert_eq!(
            at(|a| a.field("homes").item(0).field("pv").field("kw_peak")),
            (7, 35)
        );
        assert_eq!(
            at(|a| a.field("homes").item(1).field("pv").field("kw_peak")),
            (8, 34)
        );
        assert_eq!(
            at(|a| a.field("homes").item(1).field("draws").item(0).item(1)),
            (8, 58)
        );
        assert_eq!(
            at(|a| a.field("preferences").field("any").field("price")),
            (10, 53)
        );
    }

    #[test]
    fn a_missing_value_is_at_its_parent() {
        assert_eq!(at(|a| a.field("homes").item(1).field("battery")), (8, 5));
        assert_eq!(at(|a| a.field("nothing")), (3, 1));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[(){}\\[\\],:\"'r#b/*a-zé\\\\ \n0-9]{0,200}") {
            let tree = places(&text);
            let _ = line_col(&text, At::root(&tree).offset());
        }

        #[test]
        fn any_prefix_is_read_without_panic(end in 0..TEXT.len()) {
            let _ = places(&TEXT[..end]);
        }
    }
}
