//! Refuses what cannot become a task, each with the reason and what to write instead.

use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Error, ReturnType, Type, TypeImplTrait, TypeParamBound, TypeReference};

use crate::borrow::{self, Borrow};
use crate::head::{Signature, Variadic};
use crate::model::{Body, Function, Options, ResultRule, Returned, plain};

/// Every reason why the function cannot become one that returns a task.
pub(crate) fn reasons(function: &Function, options: &Options) -> Vec<Error> {
    let rule = options.result;
    let mut reasons = Vec::new();
    qualifiers(&function.signature, &mut reasons);
    if let Body::Missing(end) = &function.body {
        reasons.push(Error::new(
            end.span,
            "there is no body to run: declare it as `fn ..(..) -> Task<T>;` and put `#[make_async]` on the function \
             that implements it",
        ));
    }
    arguments(function, &mut reasons);
    returned(function, rule, &mut reasons);
    if let Some(retry) = &options.retry
        && let Returned::Nothing | Returned::Value(_) = function.returned(rule)
    {
        let reason = "there is no error after which to call again: return a `Result<T, E>`, or remove `retry`";
        reasons.push(Error::new_spanned(retry, reason));
    }
    reasons
}

fn qualifiers(signature: &Signature, reasons: &mut Vec<Error>) {
    let mut refuse = |tokens: &dyn ToTokens, reason: &str| {
        reasons.push(Error::new_spanned(tokens.to_token_stream(), reason));
    };
    if let Some(token) = &signature.constness {
        refuse(token, "a task starts at run time: remove `const`");
    }
    if let Some(token) = &signature.asyncness {
        refuse(
            token,
            "the body runs on a thread of a pool, which polls no future: remove `async`, or keep the `async fn` and block \
             on its future inside `spawn`",
        );
    }
    if let Some(token) = &signature.unsafety {
        refuse(
            token,
            "the body runs after its caller has moved on, who then cannot keep what an `unsafe fn` asks for: remove \
             `unsafe`, and put an `unsafe` block into the body",
        );
    }
    if let Some(abi) = &signature.abi {
        refuse(
            abi,
            "a task can be returned to Rust only: remove `extern`, and call this function from an `extern` one",
        );
    }
    if let Some(Variadic { dots, .. }) = &signature.variadic {
        refuse(
            dots,
            "a task carries arguments of known types only: take a `Vec<T>`",
        );
    }
}

fn arguments(function: &Function, reasons: &mut Vec<Error>) {
    if let Some(receiver) = function.receiver() {
        let borrow = match &receiver.reference {
            Some(and) => Some(and.span),
            None => borrow::first(&receiver.ty).map(|borrow| borrow.span()),
        };
        reasons.extend(borrow.map(|span| {
            let reason = "the task may outlive this borrow: take `self`, or `self: Arc<Self>`";
            Error::new(span, reason)
        }));
    }
    for argument in function.arguments() {
        if let Some(borrow) = borrow::first(&argument.ty) {
            let reason = format!("the task may outlive this borrow: take {}", owned(&borrow));
            reasons.push(Error::new(borrow.span(), reason));
        }
        for opaque in opaque(&argument.ty) {
            reasons.extend(cannot_be_carried(opaque));
        }
    }
}

fn returned(function: &Function, rule: ResultRule, reasons: &mut Vec<Error>) {
    let ReturnType::Type(_, whole) = &function.signature.output else {
        return;
    };
    if let Some(borrow) = borrow::first(whole) {
        let reason = format!(
            "the task may outlive this borrow: return {}",
            owned(&borrow)
        );
        reasons.push(Error::new(borrow.span(), reason));
    }
    for opaque in opaque(whole) {
        reasons.push(Error::new_spanned(
            opaque,
            "a task holds a type that has a name: return that type, or `Box<dyn Trait + Send>`",
        ));
    }
    if let Type::Never(never) = plain(whole) {
        reasons.push(Error::new_spanned(
            never,
            "a task that never ends has no value: remove `-> !`",
        ));
    }
    if let Returned::Unclear(ty) = function.returned(rule) {
        reasons.push(Error::new_spanned(
            ty,
            "this does not show what the task is to hold: write `Result<T, E>`, or `#[make_async(result = false)]` for \
             a task that holds the whole of it",
        ));
    }
}

/// What to write in place of a borrow.
fn owned(borrow: &Borrow) -> &'static str {
    let (mutability, elem) = match borrow {
        Borrow::Lifetime(_) => return "a type that owns its data, with `'static` here",
        Borrow::Reference(TypeReference {
            mutability, elem, ..
        }) => (mutability, plain(elem)),
    };
    let name = match elem {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        Type::Slice(_) => Some("[]".into()),
        Type::TraitObject(_) => Some("dyn".into()),
        _ => None,
    };
    match (mutability, name.as_deref()) {
        (Some(_), _) => "the value itself, and return it if the caller needs it back",
        (None, Some("str")) => "a `String`, or `&'static str`",
        (None, Some("Path")) => "a `PathBuf`",
        (None, Some("OsStr")) => "an `OsString`",
        (None, Some("CStr")) => "a `CString`",
        (None, Some("[]")) => "a `Vec<T>`, or an `Arc<[T]>`",
        (None, Some("dyn")) => "a `Box<dyn Trait + Send>`, or an `Arc<dyn Trait + Send + Sync>`",
        (None, _) => "the value itself, or an `Arc` of it",
    }
}

/// The outermost `impl Trait`s in a type.
fn opaque(ty: &Type) -> Vec<&TypeImplTrait> {
    struct Search<'a>(Vec<&'a TypeImplTrait>);

    impl<'a> Visit<'a> for Search<'a> {
        fn visit_type_impl_trait(&mut self, opaque: &'a TypeImplTrait) {
            self.0.push(opaque);
        }
    }

    let mut search = Search(Vec::new());
    visit::visit_type(&mut search, ty);
    search.0
}

/// An `impl Trait` argument goes to another thread if its own bounds say that it may: they are its
/// whole type.
fn cannot_be_carried(opaque: &TypeImplTrait) -> Option<Error> {
    let names = |wanted: &str| {
        opaque.bounds.iter().any(|bound| match bound {
            TypeParamBound::Trait(bound) => {
                let last = bound.path.segments.last();
                last.is_some_and(|last| last.ident == wanted)
            }
            TypeParamBound::Lifetime(lifetime) => lifetime.ident == wanted,
            _ => false,
        })
    };
    let missing = match (names("Send"), names("static")) {
        (true, true) => return None,
        (true, false) => "+ 'static",
        (false, true) => "+ Send",
        (false, false) => "+ Send + 'static",
    };
    let reason = format!("the task carries this to another thread: add `{missing}`");
    Some(Error::new_spanned(opaque, reason))
}
