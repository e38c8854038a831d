//! Files of questions: SQL statements, each under a comment that says in
//! words what it asks.

/// The ten standard questions, the community's indicators among them.
pub const STANDARD: &str = include_str!("../sql/questions.sql");

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// In words: the comment lines above the statement.
    pub words: String,
    /// The statement.
    pub sql: String,
}

/// Statements of a file, each ended by `;` at the end of a line.
#[must_use]
pub fn parse(text: &str) -> Vec<Question> {
    let mut questions = Vec::new();
    let (mut words, mut sql) = (String::new(), String::new());
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(comment) = line.trim_start().strip_prefix("--") {
            if sql.is_empty() {
                if !words.is_empty() {
                    words.push(' ');
                }
                words.push_str(comment.trim());
            }
            continue;
        }
        if line.is_empty() && sql.is_empty() {
            // A comment that stands alone introduces nothing.
            words.clear();
            continue;
        }
        let (statement, ends) = match line.strip_suffix(';') {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        sql.push_str(statement);
        sql.push('\n');
        if ends {
            questions.push(Question {
                words: std::mem::take(&mut words),
                sql: std::mem::take(&mut sql).trim().to_owned(),
            });
        }
    }
    if !sql.trim().is_empty() {
        questions.push(Question {
            words,
            sql: sql.trim().to_owned(),
        });
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_belong_to_the_statement_below_them() {
        let parsed =
            parse("-- A file.\n\n-- How many\n-- runs?\nSELECT COUNT(*)\nFROM run;\nSELECT 1");
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0].words, "How many runs?");
        assert_eq!(parsed[0].sql, "SELECT COUNT(*)\nFROM run");
        assert_eq!(parsed[1].words, "");
    }

    #[test]
    fn there_are_ten_standard_questions_in_words() {
        let standard = parse(STANDARD);
        assert_eq!(standard.len(), 10);
        assert!(standard.iter().all(|q| q.words.ends_with('?')));
    }
}
