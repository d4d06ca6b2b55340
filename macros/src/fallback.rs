//! Writes a function in place of a refused one, so that its callers compile and the refusal is the
//! only error.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Type, TypeParamBound};

use crate::emit;
use crate::model::{Body, Function, ResultRule, plain};

/// The refused function as far as its callers see it. The body stays away: it was written for a
/// kind of function that this one no longer is.
pub(crate) fn function(function: &Function, rule: ResultRule) -> TokenStream {
    let Function {
        attributes,
        visibility,
        ..
    } = function;
    let mut signature = function.signature.clone();
    signature.constness = None;
    signature.asyncness = None;
    signature.unsafety = None;
    signature.abi = None;
    signature.variadic = None;
    signature.output = emit::task(function.returned(rule).value().map(named));

    let body = match &function.body {
        Body::Missing(end) => end.to_token_stream(),
        Body::Given { .. } => quote!({ ::core::unreachable!() }),
    };
    quote! {
        #(#attributes)*
        #[allow(unused_variables, unused_mut)]
        #visibility #signature #body
    }
}

/// An `impl Trait` is known from the body alone; what the refusal advises instead is known without.
fn named(ty: &Type) -> TokenStream {
    let Type::ImplTrait(opaque) = plain(ty) else {
        return ty.to_token_stream();
    };
    let bounds = opaque.bounds.iter();
    let bounds = bounds.filter(|bound| matches!(bound, TypeParamBound::Trait(_)));
    quote!(::std::boxed::Box<dyn #(#bounds +)* ::core::marker::Send>)
}
