//! Writes JSON, for a reader that knows what comes.

use std::fmt::{Display, Write};

/// A text that grows. The caller opens and closes objects and arrays; commas are written here.
#[derive(Default)]
pub(crate) struct Json {
    text: String,
    /// A value stands before the next one, in the same object or array.
    has_before: bool,
}

impl Json {
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn separate(&mut self) {
        if self.has_before {
            self.text.push(',');
        }
        self.has_before = true;
    }

    /// Writes an object, whose members `members` writes.
    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Json)) {
        self.nest('{', members, '}');
    }

    /// Writes an array, whose values `values` writes.
    pub(crate) fn array(&mut self, values: impl FnOnce(&mut Json)) {
        self.nest('[', values, ']');
    }

    fn nest(&mut self, open: char, inner: impl FnOnce(&mut Json), close: char) {
        self.separate();
        self.text.push(open);
        self.has_before = false;
        inner(self);
        self.text.push(close);
        self.has_before = true;
    }

    /// Writes the name of a member; the next value is its value.
    pub(crate) fn key(&mut self, name: &str) -> &mut Json {
        self.text(name);
        self.text.push(':');
        self.has_before = false;
        self
    }

    /// Writes a number that is finite.
    pub(crate) fn number(&mut self, number: impl Display) {
        self.separate();
        let _ = write!(self.text, "{number}");
    }

    /// Writes seconds, to the microsecond.
    pub(crate) fn seconds(&mut self, seconds: f64) {
        self.number(format_args!("{seconds:.6}"));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.separate();
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.text.extend(['\\', c]),
                c if c < ' ' => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(c));
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }

    pub(crate) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.number("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn what_is_written_can_be_read() {
        let mut json = Json::default();
        json.object(|json| {
            json.key("a").array(|json| {
                json.number(1);
                json.object(|_| ());
                json.array(|_| ());
                json.text("q\"\\\n\u{1}\u{e9}\u{1f600}");
                json.text_or_null(None);
            });
            json.key("b\"").seconds(1.5);
        });
        let text = json.into_text();
        assert!(!text.contains('\n'), "an event of a stream is one line");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["a"][3], "q\"\\\n\u{1}\u{e9}\u{1f600}");
        assert_eq!(value["a"].as_array().unwrap().len(), 5);
        assert_eq!(value["b\""], 1.5);
    }
}
