pub fn keyring(
    _: &serde_json::Value,
    _: &serde_json::Value,
) -> Option<Box<dyn waxseal::LocalKeyring>> {
    None
}
