//! The head of a function. Without its feature `full`, with which it takes half as long again to
//! build, the parser knows types and generics, but no functions.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Abi, Attribute, Generics, Lifetime, Result, ReturnType, Token, Type};

/// All from the words before `fn` to the `where` clause.
#[derive(Clone)]
pub(crate) struct Signature {
    pub(crate) constness: Option<Token![const]>,
    pub(crate) asyncness: Option<Token![async]>,
    pub(crate) unsafety: Option<Token![unsafe]>,
    pub(crate) abi: Option<Abi>,
    fn_token: Token![fn],
    pub(crate) ident: Ident,
    generics: Generics,
    pub(crate) receiver: Option<Receiver>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) variadic: Option<Variadic>,
    pub(crate) output: ReturnType,
}

/// `self`, in any of its forms.
#[derive(Clone)]
pub(crate) struct Receiver {
    /// As it was written.
    tokens: TokenStream,
    pub(crate) reference: Option<Token![&]>,
    pub(crate) self_token: Token![self],
    /// What stands behind the colon, or `Self`.
    pub(crate) ty: Type,
}

#[derive(Clone)]
pub(crate) struct Argument {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) pattern: Pattern,
    colon: Token![:],
    pub(crate) ty: Type,
}

#[derive(Clone)]
pub(crate) struct Pattern {
    /// Of a pattern that is no more than a name, or `mut` and a name.
    pub(crate) name: Option<Ident>,
    pub(crate) tokens: TokenStream,
}

/// `...`, and what stands before it.
#[derive(Clone)]
pub(crate) struct Variadic {
    before: TokenStream,
    pub(crate) dots: Token![...],
}

impl Parse for Signature {
    fn parse(input: ParseStream) -> Result<Signature> {
        let constness = input.parse()?;
        let asyncness = input.parse()?;
        let unsafety = input.parse()?;
        let abi = input.parse()?;
        let fn_token = input.parse()?;
        let ident = input.call(Ident::parse_any)?;
        let mut generics: Generics = input.parse()?;
        let inside;
        syn::parenthesized!(inside in input);
        let (mut receiver, mut arguments, mut variadic) = (None, Vec::new(), None);
        while !inside.is_empty() {
            match parameter(&inside)? {
                Parameter::Receiver(found) => receiver = Some(found),
                Parameter::Argument(found) => arguments.push(found),
                Parameter::Variadic(found) => variadic = Some(found),
            }
            if !inside.is_empty() {
                inside.parse::<Token![,]>()?;
            }
        }
        let output = input.parse()?;
        generics.where_clause = input.parse()?;
        Ok(Signature {
            constness,
            asyncness,
            unsafety,
            abi,
            fn_token,
            ident,
            generics,
            receiver,
            arguments,
            variadic,
            output,
        })
    }
}

enum Parameter {
    Receiver(Receiver),
    Argument(Argument),
    Variadic(Variadic),
}

fn parameter(input: ParseStream) -> Result<Parameter> {
    let attributes = input.call(Attribute::parse_outer)?;
    if is_receiver(input)? {
        return Ok(Parameter::Receiver(receiver(&attributes, input)?));
    }
    if let Some(dots) = input.parse()? {
        let before = quote!(#(#attributes)*);
        return Ok(Parameter::Variadic(Variadic { before, dots }));
    }
    let pattern = Pattern::parse(input)?;
    let colon: Token![:] = input.parse()?;
    if let Some(dots) = input.parse()? {
        let pattern = pattern.tokens;
        let before = quote!(#(#attributes)* #pattern #colon);
        return Ok(Parameter::Variadic(Variadic { before, dots }));
    }
    Ok(Parameter::Argument(Argument {
        attributes,
        pattern,
        colon,
        ty: input.parse()?,
    }))
}

fn is_receiver(input: ParseStream) -> Result<bool> {
    let ahead = input.fork();
    if ahead.parse::<Option<Token![&]>>()?.is_some() {
        ahead.parse::<Option<Lifetime>>()?;
    }
    ahead.parse::<Option<Token![mut]>>()?;
    Ok(ahead.parse::<Option<Token![self]>>()?.is_some() && !ahead.peek(Token![::]))
}

fn receiver(attributes: &[Attribute], input: ParseStream) -> Result<Receiver> {
    let reference: Option<Token![&]> = input.parse()?;
    let lifetime: Option<Lifetime> = match reference {
        Some(_) => input.parse()?,
        None => None,
    };
    let mutability: Option<Token![mut]> = input.parse()?;
    let self_token: Token![self] = input.parse()?;
    let mut tokens = quote!(#(#attributes)* #reference #lifetime #mutability #self_token);
    let ty = match input.parse::<Option<Token![:]>>()? {
        Some(colon) => {
            let ty: Type = input.parse()?;
            tokens.extend(quote!(#colon #ty));
            ty
        }
        None => {
            let name = Ident::new("Self", self_token.span);
            // `mut` is the type's only behind a `&`.
            let mutability = reference.and(mutability);
            syn::parse_quote!(#reference #lifetime #mutability #name)
        }
    };
    Ok(Receiver {
        tokens,
        reference,
        self_token,
        ty,
    })
}

impl Pattern {
    /// Everything up to the colon. The compiler has seen that it is a pattern.
    fn parse(input: ParseStream) -> Result<Pattern> {
        let name = Pattern::name(input);
        let mut tokens = TokenStream::new();
        while !input.peek(Token![:]) || input.peek(Token![::]) {
            if let Some(separator) = input.parse::<Option<Token![::]>>()? {
                separator.to_tokens(&mut tokens);
            } else {
                input.parse::<TokenTree>()?.to_tokens(&mut tokens);
            }
        }
        Ok(Pattern { name, tokens })
    }

    fn name(input: ParseStream) -> Option<Ident> {
        let ahead = input.fork();
        ahead.parse::<Option<Token![mut]>>().ok()?;
        let name = ahead.parse::<Ident>().ok()?;
        (ahead.peek(Token![:]) && !ahead.peek(Token![::])).then_some(name)
    }
}

impl ToTokens for Signature {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Signature {
            constness,
            asyncness,
            unsafety,
            abi,
            fn_token,
            ident,
            generics,
            receiver,
            arguments,
            variadic,
            output,
        } = self;
        let receiver = receiver.iter().map(|receiver| receiver.tokens.clone());
        let arguments = arguments.iter().map(ToTokens::to_token_stream);
        let variadic = variadic.iter().map(|variadic| {
            let Variadic { before, dots } = variadic;
            quote!(#before #dots)
        });
        let parameters = receiver.chain(arguments).chain(variadic);
        let clause = &generics.where_clause;
        tokens.extend(quote! {
            #constness #asyncness #unsafety #abi #fn_token #ident #generics
            (#(#parameters),*) #output #clause
        });
    }
}

impl ToTokens for Argument {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Argument {
            attributes,
            pattern: Pattern {
                tokens: pattern, ..
            },
            colon,
            ty,
        } = self;
        tokens.extend(quote!(#(#attributes)* #pattern #colon #ty));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Signature {
        syn::parse_str(head).unwrap()
    }

    #[test]
    fn a_head_comes_out_as_it_went_in() {
        for head in [
            "fn f ()",
            "const async unsafe extern \"C\" fn f < 'a , T : Ord > (a : T) -> T where T : 'a",
            "fn f (self , n : u8)",
            "fn f (mut self : Arc < Self > , (a , b) : (u8 , u8))",
            "fn f (& 'a mut self)",
            "fn f (# [cfg (all ())] mut n : u8 , m :: Pair { a , b : c } : m :: Pair)",
            "fn f (n : u8 , mut rest : ...)",
            "fn f (n : u8 , ...)",
        ] {
            assert_eq!(parsed(head).to_token_stream().to_string(), head);
        }
    }

    #[test]
    fn a_plain_name_is_told_from_other_patterns() {
        let head = "fn f(a: u8, mut b: u8, ref c: u8, _: u8, d @ 1..=2: u8, S(e): S, m::F: m::F)";
        let names = parsed(head).arguments.into_iter();
        let names = names.map(|argument| argument.pattern.name.map(|name| name.to_string()));
        let names: Vec<_> = names.collect();
        assert_eq!(names[..2], [Some("a".to_string()), Some("b".to_string())]);
        assert_eq!(names[2..], [const { None }; 5]);
    }

    #[test]
    fn a_receiver_has_a_type() {
        let ty = |head: &str| parsed(head).receiver.map(|receiver| receiver.ty);
        let text = |head: &str| ty(head).map(|ty| ty.to_token_stream().to_string());
        assert_eq!(text("fn f(mut self)").as_deref(), Some("Self"));
        assert_eq!(text("fn f(&self)").as_deref(), Some("& Self"));
        assert_eq!(
            text("fn f(self: Box<Self>)").as_deref(),
            Some("Box < Self >")
        );
        assert_eq!(text("fn f(own: Box<Self>)"), None);
    }
}
