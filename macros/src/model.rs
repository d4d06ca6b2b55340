//! What a decorated function is to the macro: its head, its body and what its task will hold.

use proc_macro2::TokenStream;
use syn::token::Brace;
use syn::{Attribute, Expr, GenericArgument, PathArguments, ReturnType, Token, Type, Visibility};

use crate::head::{Argument, Receiver, Signature};

/// A free function or a method, as written.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: Body,
}

/// The body is not parsed further: it goes through as it came, so that every error in it is the
/// compiler's own.
pub(crate) enum Body {
    Given {
        brace: Brace,
        attributes: Vec<Attribute>,
        code: TokenStream,
    },
    Missing(Token![;]),
}

/// What stands in the parentheses of `#[make_async(..)]`.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<Expr>,
    pub(crate) pool: Option<Expr>,
    pub(crate) queue: Option<Expr>,
    /// An expression of type `Duration`.
    pub(crate) timeout: Option<Expr>,
    pub(crate) retry: Option<Expr>,
    pub(crate) result: ResultRule,
}

/// When a return type counts as a `Result` whose error becomes the task's failure.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum ResultRule {
    /// When its last path segment is `Result`: a macro sees names, not types.
    #[default]
    ByName,
    Always,
    Never,
}

/// What the body returns and which part of it is the value of the task.
pub(crate) enum Returned<'a> {
    Nothing,
    Value(&'a Type),
    Fallible {
        whole: &'a Type,
        value: &'a Type,
        /// Absent when an alias such as `io::Result<T>` hides it; the compiler then infers it.
        error: Option<&'a Type>,
    },
    /// A `Result` that does not show its value, as `fmt::Result`.
    Unclear(&'a Type),
}

impl Function {
    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.signature.receiver.as_ref()
    }

    /// The arguments but for the receiver.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.signature.arguments.iter()
    }

    pub(crate) fn returned(&self, rule: ResultRule) -> Returned<'_> {
        match &self.signature.output {
            ReturnType::Default => Returned::Nothing,
            ReturnType::Type(_, whole) => Returned::of(whole, rule),
        }
    }
}

impl<'a> Returned<'a> {
    fn of(whole: &'a Type, rule: ResultRule) -> Self {
        let last = match plain(whole) {
            Type::Path(path) => path.path.segments.last(),
            _ => None,
        };
        let fallible = match rule {
            ResultRule::ByName => last.is_some_and(|segment| segment.ident == "Result"),
            ResultRule::Always => true,
            ResultRule::Never => false,
        };
        if !fallible {
            return Returned::Value(whole);
        }
        let types = match last.map(|segment| &segment.arguments) {
            Some(PathArguments::AngleBracketed(list)) => list.args.iter(),
            _ => return Returned::Unclear(whole),
        };
        let mut types = types.filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        });
        match (types.next(), types.next(), types.next()) {
            (Some(value), error, None) => Returned::Fallible {
                whole,
                value,
                error,
            },
            _ => Returned::Unclear(whole),
        }
    }

    /// The `T` of the generated `Task<T>`; `None` stands for `()`: there is no task of `!`.
    pub(crate) fn value(&self) -> Option<&'a Type> {
        match *self {
            Returned::Nothing | Returned::Value(Type::Never(_)) => None,
            Returned::Value(ty) | Returned::Unclear(ty) => Some(ty),
            Returned::Fallible { value, .. } => Some(value),
        }
    }
}

/// The type without the parentheses and the invisible groups that a `macro_rules!` caller leaves
/// around it.
pub(crate) fn plain(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Paren(inner) => &inner.elem,
            Type::Group(inner) => &inner.elem,
            _ => return ty,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{ResultRule, Returned};
    use quote::ToTokens;

    /// Value and error of a return type, or the word for what else it is.
    fn read(ty: &str, rule: ResultRule) -> String {
        let ty = syn::parse_str(ty).unwrap();
        let text = |ty: &syn::Type| ty.to_token_stream().to_string();
        match Returned::of(&ty, rule) {
            Returned::Nothing => "nothing".into(),
            Returned::Value(_) => "value".into(),
            Returned::Unclear(_) => "unclear".into(),
            Returned::Fallible { value, error, .. } => {
                format!(
                    "{} or {}",
                    text(value),
                    error.map_or("inferred".into(), text)
                )
            }
        }
    }

    #[test]
    fn a_result_is_known_by_its_last_segment() {
        let by_name = |ty| read(ty, ResultRule::ByName);
        assert_eq!(by_name("Result<u8, E>"), "u8 or E");
        assert_eq!(by_name("std::result::Result<(), String>"), "() or String");
        assert_eq!(by_name("io::Result<u8>"), "u8 or inferred");
        assert_eq!(by_name("(Result<u8, E>)"), "u8 or E");
        assert_eq!(by_name("Result<'static, u8>"), "u8 or inferred");
        assert_eq!(by_name("fmt::Result"), "unclear");
        assert_eq!(by_name("Result<A, B, C>"), "unclear");
        assert_eq!(by_name("Option<Result<u8, E>>"), "value");
        assert_eq!(by_name("Result<u8, E>::Owned"), "value");
        assert_eq!(by_name("(u8, u8)"), "value");
    }

    #[test]
    fn the_rule_overrides_the_name() {
        assert_eq!(read("Result<u8, E>", ResultRule::Never), "value");
        assert_eq!(read("fmt::Result", ResultRule::Never), "value");
        assert_eq!(read("Answer<u8>", ResultRule::Always), "u8 or inferred");
        assert_eq!(read("Answer", ResultRule::Always), "unclear");
    }
}
