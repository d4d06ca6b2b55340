//! Reads the attribute's options and the item below it, and says what it cannot read.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, Error, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Result, Token, Visibility,
    parse_quote,
};

use crate::duration;
use crate::head::Signature;
use crate::model::{Body, Function, Options, ResultRule};

const NAME: &str = "name = \"load\"";
const POOL: &str = "pool = &POOL";
const QUEUE: &str = "queue = &QUEUE";
const TIMEOUT: &str = "timeout = \"30s\"";
const RETRY: &str = "retry = 3";
const RESULT: &str = "result = false";

/// The options that were understood, and an error for each that was not.
pub(crate) fn options(tokens: TokenStream) -> (Options, Vec<Error>) {
    let mut options = Options::default();
    let mut errors = Vec::new();
    let mut seen = Vec::new();
    let list = |input: ParseStream| {
        while !input.is_empty() {
            if !input.peek(Ident::peek_any) {
                let message = format!("write an option, such as `{NAME}`");
                return Err(input.error(message));
            }
            let key = input.call(Ident::parse_any)?;
            if seen.contains(&key) {
                let message = format!("`{key}` is given twice: keep one of the two");
                errors.push(Error::new(key.span(), message));
            }
            if let Err(error) = option(&key, input, &mut options) {
                errors.push(error);
                skip_to_comma(input)?;
            }
            seen.push(key);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    let end = list.parse2(tokens).err();
    errors.extend(end);
    errors.extend(conflict(&seen));
    (options, errors)
}

/// Says which option cannot stand beside another one.
fn conflict(keys: &[Ident]) -> Option<Error> {
    if !keys.iter().any(|key| key == "queue") {
        return None;
    }
    keys.iter().find_map(|key| {
        let reason = match key.to_string().as_str() {
            "pool" => "the queue has a pool already: remove `pool`",
            "name" => "a job of a queue has no name: remove `name`",
            "retry" => {
                "one call is one job: remove `retry`, and write `retry(policy, move |_| f(..))` where the function is called"
            }
            _ => return None,
        };
        Some(Error::new(key.span(), reason))
    })
}

fn option(key: &Ident, input: ParseStream, options: &mut Options) -> Result<()> {
    match key.to_string().as_str() {
        "name" => match value(key, input, NAME)? {
            value if literal(&value).is_some_and(|lit| !matches!(lit, Lit::Str(_))) => {
                return wrong(&value, "the name of a task is text", NAME);
            }
            value => options.name = Some(value),
        },
        "pool" => match value(key, input, POOL)? {
            value if literal(&value).is_some() => {
                return wrong(&value, "`pool` is a reference to a `Pool`", POOL);
            }
            value => options.pool = Some(value),
        },
        "queue" => match value(key, input, QUEUE)? {
            value if literal(&value).is_some() => {
                return wrong(&value, "`queue` is a reference to a `TaskQueue`", QUEUE);
            }
            value => options.queue = Some(value),
        },
        "timeout" => options.timeout = Some(timeout(value(key, input, TIMEOUT)?)?),
        "retry" => options.retry = Some(retry(value(key, input, RETRY)?)?),
        "result" => {
            let value = value(key, input, RESULT)?;
            options.result = match literal(&value) {
                Some(Lit::Bool(lit)) if lit.value => ResultRule::Always,
                Some(Lit::Bool(_)) => ResultRule::Never,
                _ => return wrong(&value, "`result` is `true` or `false`", RESULT),
            };
        }
        _ => {
            let message = format!(
                "`{key}` is no option of `#[make_async]`: the options are `name`, `pool`, `queue`, `timeout`, `retry` and \
                 `result`"
            );
            return Err(Error::new(key.span(), message));
        }
    }
    Ok(())
}

/// The time limit as an expression of type `Duration`.
fn timeout(value: Expr) -> Result<Expr> {
    let text = match literal(&value) {
        None => return Ok(value),
        Some(Lit::Str(text)) => text.value(),
        Some(_) => return wrong(&value, "a time limit needs a unit", TIMEOUT),
    };
    match duration::parse(&text) {
        None => {
            let what = "a time limit is an integer with `ms`, `s`, `min` or `h`, or a `Duration`";
            wrong(&value, what, TIMEOUT)
        }
        Some(limit) if limit.is_zero() => {
            let what = "a time limit of zero ends each call before it begins";
            wrong(&value, what, TIMEOUT)
        }
        Some(limit) => {
            let (seconds, nanos) = (limit.as_secs(), limit.subsec_nanos());
            Ok(parse_quote!(::core::time::Duration::new(#seconds, #nanos)))
        }
    }
}

/// The number of calls, or a policy.
fn retry(value: Expr) -> Result<Expr> {
    let number = match literal(&value) {
        None => return Ok(value),
        Some(Lit::Int(number)) => number,
        Some(_) => return wrong(&value, "`retry` is a number of calls, or a `Retry`", RETRY),
    };
    match number.base10_parse::<u32>() {
        Err(_) => wrong(&value, "this is no number of calls", RETRY),
        Ok(0) => wrong(&value, "0 calls would be none", RETRY),
        Ok(calls) => {
            let calls = LitInt::new(&format!("{calls}u32"), number.span());
            Ok(parse_quote!(#calls))
        }
    }
}

fn value(key: &Ident, input: ParseStream, example: &str) -> Result<Expr> {
    let assigned = input.parse::<Option<Token![=]>>()?.is_some();
    if !assigned || input.is_empty() || input.peek(Token![,]) {
        let message = format!("`{key}` needs a value: write `{example}`");
        return Err(Error::new(key.span(), message));
    }
    expression(input)
}

/// An expression. One that the parser is built without, such as a block, is all up to a comma.
fn expression(input: ParseStream) -> Result<Expr> {
    let ahead = input.fork();
    if let Ok(value) = ahead.parse::<Expr>()
        && (ahead.is_empty() || ahead.peek(Token![,]) || ahead.peek(Ident::peek_any))
    {
        input.advance_to(&ahead);
        return Ok(value);
    }
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(Expr::Verbatim(tokens))
}

fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

fn wrong<T>(value: &Expr, what: &str, example: &str) -> Result<T> {
    let message = format!("{what}: write `{example}`");
    Err(Error::new_spanned(value, message))
}

/// Leaves the rest of an option that was not understood, so that the next one is still checked.
fn skip_to_comma(input: ParseStream) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Reads a free function, or a method with or without a body.
pub(crate) fn function(input: ParseStream) -> Result<Function> {
    let attributes = input.call(Attribute::parse_outer)?;
    let visibility: Visibility = input.parse()?;
    if !is_function(input)? {
        return Err(input.error(not_a_function(input)));
    }
    let signature: Signature = input.parse()?;
    let body = if let Some(end) = input.parse()? {
        Body::Missing(end)
    } else {
        let code;
        Body::Given {
            brace: syn::braced!(code in input),
            attributes: code.call(Attribute::parse_inner)?,
            code: code.parse()?,
        }
    };
    Ok(Function {
        attributes,
        visibility,
        signature,
        body,
    })
}

/// Whether `fn` follows, with any of the words that may stand before it.
fn is_function(input: ParseStream) -> Result<bool> {
    let ahead = input.fork();
    ahead.parse::<Option<Token![const]>>()?;
    ahead.parse::<Option<Token![async]>>()?;
    ahead.parse::<Option<Token![unsafe]>>()?;
    if ahead.parse::<Option<Token![extern]>>()?.is_some() {
        ahead.parse::<Option<LitStr>>()?;
    }
    Ok(ahead.peek(Token![fn]))
}

fn not_a_function(input: ParseStream) -> &'static str {
    if input.peek(Token![impl]) || input.peek(Token![unsafe]) || input.peek(Token![trait]) {
        "`#[make_async]` works on one function: put it on each method that is to start a task"
    } else {
        "`#[make_async]` works on a function: put it on an `fn` with a body"
    }
}
