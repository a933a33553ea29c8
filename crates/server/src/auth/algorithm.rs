//! The signatures that tokens may have.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::AlgorithmFamily;
use serde::{Deserialize, Serialize};

use super::issuer::IssuerError;

/// The one list of names: ours, the library's and the tokens' are the same.
macro_rules! algorithms {
    ($($name:ident: $family:ident),+ $(,)?) => {
        /// The signatures that tokens may have: asymmetric ones, so that who can check
        /// a token can't make one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the names of RFC 7518 and RFC 8037")]
        pub enum Algorithm {
            $($name),+
        }

        impl Algorithm {
            /// Every one of them.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// The name, as a token's header writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }

            pub(super) const fn library(self) -> jsonwebtoken::Algorithm {
                match self {
                    $(Self::$name => jsonwebtoken::Algorithm::$name),+
                }
            }

            pub(super) const fn family(self) -> AlgorithmFamily {
                match self {
                    $(Self::$name => AlgorithmFamily::$family),+
                }
            }
        }
    };
}

algorithms! {
    EdDSA: Ed,
    ES256: Ec,
    ES384: Ec,
    RS256: Rsa,
    RS384: Rsa,
    RS512: Rsa,
    PS256: Rsa,
    PS384: Rsa,
    PS512: Rsa,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = IssuerError;

    fn from_str(text: &str) -> Result<Self, IssuerError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
        found.ok_or_else(|| IssuerError::Algorithm(halligan_core::text::printable(text, 40)))
    }
}
