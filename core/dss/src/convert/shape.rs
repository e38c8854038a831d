//! Load shapes.

use super::*;
use crate::Shape;

/// Values of one shape.
const MAX_VALUES: usize = 10_000_000;

impl Convert<'_> {
    pub(super) fn shape(&mut self, object: &Object) -> Result<(), DssError> {
        let mut points = usize::MAX;
        let mut step_s = 3600.0;
        let mut values = Vec::new();
        let mut actual = None;
        for a in &object.assigns {
            match a.property {
                "npts" => {
                    points = a
                        .value
                        .count()
                        .or_else(|message| syntax(&a.value.at, message))?;
                }
                "interval" => step_s = number(a)? * 3600.0,
                "minterval" => step_s = number(a)? * 60.0,
                "sinterval" => step_s = number(a)?,
                "mult" | "pmult" | "csvfile" => values = self.shape_values(a)?,
                "useactual" => actual = a.value.flag().then(|| a.clone()),
                "hour" | "qmult" | "sngfile" | "dblfile" | "pqcsvfile" | "action" => {
                    self.skip(object, a, "is not carried over");
                }
                _ => {}
            }
        }
        if let Some(a) = actual {
            self.skip(object, &a, "is not carried over: values are multipliers");
        }
        values.truncate(points.min(MAX_VALUES));
        self.shapes.push(Shape {
            id: object.label.clone(),
            step_s,
            values,
        });
        Ok(())
    }

    fn shape_values(&mut self, a: &Assign) -> Result<Vec<f64>, DssError> {
        let text = a.value.text.trim();
        let lower = text.to_lowercase();
        let file = if a.property == "csvfile" {
            Some(text.to_owned())
        } else {
            ["file=", "file =", "csvfile=", "csvfile ="]
                .iter()
                .find(|p| lower.starts_with(**p))
                .map(|p| text[p.len()..].trim().to_owned())
        };
        let Some(file) = file else {
            return numbers(a);
        };
        let path = a.directory.join(file.trim_matches('"').replace('\\', "/"));
        let (path, content) = self.script.read(&path, &a.value.at)?;
        let mut out = Vec::new();
        for (i, line) in content.lines().enumerate() {
            let cell = line.split([',', '\t']).next().unwrap_or_default().trim();
            if cell.is_empty() {
                continue;
            }
            match cell.parse::<f64>() {
                Ok(value) if value.is_finite() => out.push(value),
                _ => {
                    let at = Place {
                        file: path.display().to_string(),
                        line: i + 1,
                    };
                    return syntax(&at, format!("`{cell}` is not a number"));
                }
            }
            if out.len() > MAX_VALUES {
                return syntax(&a.value.at, format!("more than {MAX_VALUES} values"));
            }
        }
        Ok(out)
    }
}
