//! Good messages of every suite, and suites that the policy does not allow.

use waxseal::{CommitmentPolicy, PolicyError};

use super::message::{Message, SUITES};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in SUITES {
        let id = suite.id;
        let framed = Message::framed(id).seal();
        cases.push(Case::good(&format!("{id:04x}-framed"), &framed, "nothing is wrong"));
        let unframed = Message::unframed(id).seal();
        cases.push(Case::good(&format!("{id:04x}-unframed"), &unframed, "nothing is wrong"));
        for policy in CommitmentPolicy::ALL {
            let commits = suite.version() == 2;
            let allowed = commits || policy != CommitmentPolicy::RequireEncryptRequireDecrypt;
            let name = format!("{id:04x}-under-{policy}");
            let case = if allowed {
                Case::good(&name, &framed, "the policy allows the suite")
            } else {
                let expect = Expect::Policy(PolicyError::Commitment {
                    policy: policy.name(),
                    action: "decrypt",
                    suite: suite.name,
                });
                let comment = "the policy wants a commitment, which the suite has not";
                Case::header(&name, &framed, framed.bytes.clone(), expect, comment)
            };
            cases.push(case.policy(|limits| limits.commitment = Some(policy)));
        }
    }
    cases
}
