//! The list of what is to be downloaded.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use fast_async::BoxError;
use ureq::http::Uri;

/// One line of the list.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) url: Uri,
    pub(crate) name: String,
    pub(crate) sha256: Option<Sha256>,
}

pub(crate) type Sha256 = [u8; 32];

/// Reads the list; the error says which line makes no sense.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, BoxError> {
    let (shown, text) = if path == Path::new("-") {
        ("standard input".into(), io::read_to_string(io::stdin()))
    } else {
        (path.display().to_string(), fs::read_to_string(path))
    };
    let text = text.map_err(|err| format!("{shown}: {err}"))?;
    let mut entries = Vec::new();
    let mut lines_of = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let wrong = |what: String| format!("{shown}:{number}: {what}");
        let Some(entry) = entry(line).map_err(wrong)? else {
            continue;
        };
        if let Some(other) = lines_of.insert(entry.name.clone(), number) {
            let name = &entry.name;
            let what = format!("line {other} has a file {name} too: write another name behind it");
            return Err(wrong(what).into());
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// `None`: the line has none.
fn entry(line: &str) -> Result<Option<Entry>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let sha256 = match words[0].contains("://") {
        true => None,
        false => Some(sha256(words.remove(0))?),
    };
    let (url, name) = match words[..] {
        [url] => (url, None),
        [url, name] => (url, Some(name)),
        [] => return Err("there is no URL".into()),
        _ => return Err("there are too many words: a line is `[SHA256] URL [NAME]`".into()),
    };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(format!("{url}: a URL begins with http:// or https://"));
    }
    let url: Uri = url.parse().map_err(|err| format!("{url}: {err}"))?;
    let name = name.unwrap_or_else(|| url.path().rsplit('/').next().unwrap_or_default());
    let name = match name {
        "" => return Err(format!("{url}: write the name of the file behind it")),
        "." | ".." => return Err(format!("{name}: this is no name for a file")),
        _ if name.contains(['/', '\\', '\0']) => {
            return Err(format!("{name}: a name has no slashes; see --output"));
        }
        _ => name.to_owned(),
    };
    Ok(Some(Entry { url, name, sha256 }))
}

fn sha256(word: &str) -> Result<Sha256, String> {
    let wrong = || format!("{word}: neither a URL nor a SHA-256 of 64 hexadecimal digits");
    if word.len() != 64 || !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = &word[2 * index..2 * index + 2];
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

/// The 64 digits, as `sha256sum` prints them.
pub(crate) fn hex(sha256: &Sha256) -> String {
    sha256.iter().map(|byte| format!("{byte:02x}")).collect()
}
