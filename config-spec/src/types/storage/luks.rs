//! Encrypted volumes.

use crate::types::object::object;
use crate::types::resource::Resource;

object! {
    /// An encrypted volume.
    pub struct Luks {
        pub cex: Cex;
        pub clevis: Clevis;
        pub device: Option<String>;
        pub discard: Option<bool>;
        pub key_file: Resource;
        pub label: Option<String>;
        pub name: String;
        pub open_options: Vec<String>;
        pub options: Vec<String>;
        pub uuid: Option<String>;
        pub wipe_volume: Option<bool>;
    }
}

object! {
    /// Key protection by a crypto card of IBM Z.
    pub struct Cex {
        pub enabled: Option<bool>;
    }
}

object! {
    /// Key protection by clevis.
    pub struct Clevis {
        pub custom: ClevisCustom;
        pub tang: Vec<Tang>;
        pub threshold: Option<i64>;
        pub tpm2: Option<bool>;
    }
}

impl Clevis {
    /// Whether any pin is asked for. A threshold of 0 is none.
    #[must_use]
    pub fn is_used(&self) -> bool {
        let has_pin = self.custom.pin.as_ref().is_some_and(|pin| !pin.is_empty());
        has_pin || self.has_plain_pins()
    }

    /// Whether pins other than a custom one are asked for.
    #[must_use]
    pub fn has_plain_pins(&self) -> bool {
        !self.tang.is_empty()
            || self.tpm2 == Some(true)
            || self.threshold.is_some_and(|threshold| threshold != 0)
    }
}

object! {
    /// A clevis pin of the user's own.
    pub struct ClevisCustom {
        pub config: Option<String>;
        pub needs_network: Option<bool>;
        pub pin: Option<String>;
    }
}

object! {
    /// A tang server.
    pub struct Tang {
        pub advertisement: Option<String>;
        pub thumbprint: Option<String>;
        pub url: String, unless empty;
    }
}
