//! Writes the function that starts the task: the head as it was, the body moved into a closure.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, ReturnType, Token, Type, parse_quote};

use crate::head::{Argument, Pattern, Signature};
use crate::model::{Body, Function, Options, Returned};

/// The generated function; empty if there is no body, which has been refused before.
pub(crate) fn function(function: &Function, options: &Options) -> TokenStream {
    let Body::Given {
        brace,
        attributes: inner_attributes,
        code,
    } = &function.body
    else {
        return TokenStream::new();
    };
    let mut body = TokenStream::new();
    brace.surround(&mut body, |tokens| code.to_tokens(tokens));

    let returned = function.returned(options.result);
    let head = head(function, signature(function, &returned));
    let bounds = bounds(function);
    let closure = closure(function, options, &returned, body);
    let start = start(function, options, &returned, closure);
    let limit = Ident::new("limit", Span::mixed_site());
    // Evaluated before the arguments leave the caller, as the other options are.
    let limits = options
        .timeout
        .iter()
        .map(|timeout| quote!(let #limit: ::core::time::Duration = #timeout;));
    let limited = options.timeout.iter().map(|_| quote!(.timeout(#limit)));
    quote! {
        #head {
            #(#inner_attributes)*
            #bounds
            #(#limits)*
            #start #(#limited)*
        }
    }
}

/// What stands before the body. The location of the task is that of the call, hence `track_caller`.
fn head(function: &Function, signature: Signature) -> TokenStream {
    let Function {
        attributes,
        visibility,
        ..
    } = function;
    let given = attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("track_caller"));
    let track_caller = (!given).then(|| quote!(#[track_caller]));
    quote! {
        #(#attributes)*
        #track_caller
        #visibility #signature
    }
}

/// The signature with a name for each argument and a task as the result.
fn signature(function: &Function, returned: &Returned) -> Signature {
    let mut signature = function.signature.clone();
    for (index, argument) in signature.arguments.iter_mut().enumerate() {
        argument.pattern.tokens = carrier(index, &argument.pattern).into_token_stream();
        // Lints speak of the user's variable, which is the one inside.
        argument.attributes.retain(|attribute| !is_lint(attribute));
    }
    signature.output = task(returned.value());
    signature
}

/// `-> Task<T>`, where nothing means `()`.
pub(crate) fn task(value: Option<impl ToTokens>) -> ReturnType {
    match value {
        Some(value) => parse_quote!(-> ::fast_async::__private::Task<#value>),
        None => parse_quote!(-> ::fast_async::__private::Task<()>),
    }
}

/// The variable that holds an argument between the head and the closure. A plain name stays, for
/// the sake of the docs.
fn carrier(index: usize, pattern: &Pattern) -> Ident {
    match &pattern.name {
        Some(name) => name.clone(),
        None => format_ident!("argument{index}", span = Span::mixed_site()),
    }
}

/// Shows each argument to the compiler under the span of its type, so that one that cannot be sent
/// is reported there.
fn bounds(function: &Function) -> TokenStream {
    let mut bounds = TokenStream::new();
    let mut bound = |attributes: Vec<&Attribute>, name: &Ident, ty: &Type| {
        let (first, last) = ends(ty);
        let argument = private(first, "argument");
        let and = Token![&](first);
        let mut name = name.clone();
        name.set_span(name.span().located_at(last));
        bounds.extend(quote!(#(#attributes)* #argument(#and #name);));
    };
    if let Some(receiver) = function.receiver() {
        let this = Ident::from(receiver.self_token);
        bound(Vec::new(), &this, &receiver.ty);
    }
    for (index, argument) in function.arguments().enumerate() {
        let name = carrier(index, &argument.pattern);
        bound(conditions(argument), &name, &argument.ty);
    }
    bounds
}

/// The places where the tokens begin and end: on a stable compiler two spans cannot be joined, but
/// what is written with the one first and the other last is shown from the one to the other.
fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens
        .into_token_stream()
        .into_iter()
        .map(|tree| tree.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// What starts the body: the settings of a task, or a queue.
fn starter(options: &Options) -> TokenStream {
    if let Some(queue) = &options.queue {
        return quote!(::fast_async::__private::queue(#queue));
    }
    let name = options.name.iter().map(|name| quote!(.name(#name)));
    let pool = options.pool.iter().map(|pool| quote!(.pool(#pool)));
    quote!(::fast_async::__private::Task::builder() #(#name)* #(#pool)*)
}

/// The closure owns every argument, used or not, and drops them as a function does: after the body,
/// last one first.
fn closure(
    function: &Function,
    options: &Options,
    returned: &Returned,
    body: TokenStream,
) -> TokenStream {
    let place = generated(function.signature.ident.span());
    let result = match returned {
        Returned::Nothing => quote!(()),
        Returned::Value(ty) | Returned::Unclear(ty) => quote!(#ty),
        Returned::Fallible { whole, .. } => quote!(#whole),
    };
    let receiver = function.receiver().map(|receiver| {
        // A closure captures only the fields it uses; a mention of the whole makes it take the
        // whole.
        let this = &receiver.self_token;
        quote!(let _ = &#this;)
    });
    let is_repeated = options.retry.is_some();
    let arguments = function.arguments().enumerate();
    let arguments = arguments.map(|argument| rebind(argument, is_repeated));
    let arguments: TokenStream = receiver.into_iter().chain(arguments).collect();
    if arguments.is_empty() {
        return quote_spanned!(place=> move || -> #result #body);
    }
    // Before the 2024 edition the temporaries of a closing expression outlive the variables of its
    // block. As the value of a `let` they do not, so that a body may end in
    // `lock.lock().unwrap().len()` as it could in a function.
    let value = Ident::new("value", Span::mixed_site());
    quote_spanned! {place=>
        move || -> #result {
            #arguments
            let #value: #result = #body;
            // The body may end in a panic or a `return`.
            #[allow(unreachable_code)]
            #value
        }
    }
}

/// Moves an argument into the closure, or clones it for one of several calls, and gives it the
/// pattern that it had in the head.
fn rebind((index, argument): (usize, &Argument), is_repeated: bool) -> TokenStream {
    let name = carrier(index, &argument.pattern);
    let pattern = &argument.pattern.tokens;
    let value = match is_repeated {
        true => {
            let place = generated(ends(&argument.ty).0);
            quote_spanned!(place=> ::core::clone::Clone::clone(&#name))
        }
        false => quote!(#name),
    };
    let conditions = conditions(argument);
    let lints = argument.attributes.iter();
    let lints = lints.filter(|attribute| is_lint(attribute));
    match argument.pattern.name {
        Some(_) => quote!(#(#conditions)* #(#lints)* let #pattern = #value;),
        // A pattern need not move all of the value (`_` moves nothing), so the closure takes it by
        // name first.
        None => quote! {
            #(#conditions)* let #name = #value;
            #(#conditions)* #(#lints)* let #pattern = #name;
        },
    }
}

/// The call that starts the body, shown at the name of the function. It names the user's types, so
/// that one that cannot be sent, or is no error, is reported there.
fn start(
    function: &Function,
    options: &Options,
    returned: &Returned,
    closure: TokenStream,
) -> TokenStream {
    let place = function.signature.ident.span();
    let in_queue = options.queue.is_some();
    let spawn = if in_queue { "spawn_in" } else { "spawn" };
    let (verb, types) = match returned {
        Returned::Nothing => (spawn, quote!((), _)),
        Returned::Value(ty) | Returned::Unclear(ty) => (spawn, quote!(#ty, _)),
        Returned::Fallible {
            whole,
            value,
            error,
        } => {
            let inferred = Token![_](ends(whole).0);
            let error = error.map_or(quote!(#inferred), ToTokens::to_token_stream);
            let verb = match &options.retry {
                Some(_) => "retry",
                None if in_queue => "attempt_in",
                None => "attempt",
            };
            (verb, quote!(#value, #error, _))
        }
    };
    let verb = private(place, verb);
    let starter = starter(options);
    let retry = options.retry.iter();
    let policy = retry.map(|retry| quote!(::fast_async::__private::policy(#retry),));
    quote_spanned!(generated(place)=> #verb::<#types>(#starter, #(#policy)* #closure))
}

/// A name of the one module that generated code may use, shown to the user at `place`.
fn private(place: Span, name: &str) -> TokenStream {
    let span = generated(place);
    let name = Ident::new(name, span);
    quote_spanned!(span=> ::fast_async::__private::#name)
}

/// Generated code shown at a place of the user's.
fn generated(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

/// What decides whether the argument exists at all, and so must stand at every mention of it.
fn conditions(argument: &Argument) -> Vec<&Attribute> {
    let names = ["cfg", "cfg_attr"];
    argument
        .attributes
        .iter()
        .filter(|attribute| names.iter().any(|name| attribute.path().is_ident(name)))
        .collect()
}

fn is_lint(attribute: &Attribute) -> bool {
    let levels = ["allow", "expect", "warn", "deny", "forbid"];
    levels.iter().any(|level| attribute.path().is_ident(level))
}
