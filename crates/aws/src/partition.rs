//! AWS's separate worlds: each has its own endpoints, and roles of one can't be assumed from another.

/// A partition whose console this crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partition {
    Standard,
    UsGov,
    China,
}

impl Partition {
    /// None for the partitions that have no public documentation.
    pub(crate) fn of_region(region: &str) -> Option<Self> {
        if region.starts_with("us-gov-") {
            Some(Self::UsGov)
        } else if region.starts_with("cn-") {
            Some(Self::China)
        } else if region.contains("-iso") || region.starts_with("eusc-") {
            None
        } else {
            Some(Self::Standard)
        }
    }

    /// Where a session is traded for a sign-in token.
    pub(crate) const fn federation_url(self) -> &'static str {
        match self {
            Self::Standard => "https://signin.aws.amazon.com/federation",
            Self::UsGov => "https://signin.amazonaws-us-gov.com/federation",
            Self::China => "https://signin.amazonaws.cn/federation",
        }
    }

    /// The console's front page.
    pub(crate) const fn console_url(self) -> &'static str {
        match self {
            Self::Standard => "https://console.aws.amazon.com/",
            Self::UsGov => "https://console.amazonaws-us-gov.com/",
            Self::China => "https://console.amazonaws.cn/",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_its_partition() {
        for (region, partition) in [
            ("eu-central-1", Some(Partition::Standard)),
            ("us-gov-west-1", Some(Partition::UsGov)),
            ("cn-north-1", Some(Partition::China)),
            ("us-iso-east-1", None),
            ("us-isob-east-1", None),
            ("eusc-de-east-1", None),
        ] {
            assert_eq!(Partition::of_region(region), partition, "{region}");
        }
    }
}
