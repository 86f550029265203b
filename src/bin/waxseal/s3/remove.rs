//! `s3 rm`.

use aws_sdk_s3::operation::delete_object::DeleteObjectInput;

use super::address::Address;
use super::args::Rm;
use crate::failure::Failure;
use crate::wait::Waiter;

pub(super) fn run(args: &Rm) -> Result<(), Failure> {
    let Rm { objects, service } = args;
    // All of them are looked at before the first is gone.
    let objects =
        objects.iter().map(|text| Address::object(text)).collect::<Result<Vec<_>, _>>()?;
    let waiter = Waiter::new()?;
    let client = service.without_keys(&waiter)?;
    for Address { bucket, key } in objects {
        let input = DeleteObjectInput::builder().bucket(bucket).key(key);
        waiter.wait(client.delete_object(input)).map_err(Failure::s3)?;
    }
    Ok(())
}
