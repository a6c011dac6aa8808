// SPDX-License-Identifier: Apache-2.0
//! A puppet, for tests only: it does whatever anyone tells it, so that one sender plays many people.
//!
//! Nobody needs a key, nothing is signed, and a puppet's wallet pays no fees but where it is the sender
//! itself. Not fit for real money.

use starknet::ContractAddress;
use starknet::account::Call;

#[starknet::interface]
trait IPuppet<T> {
    /// Calls a contract as the puppet. Returns what that returns, and reverts where that does.
    fn act(
        ref self: T, to: ContractAddress, selector: felt252, calldata: Span<felt252>
    ) -> Span<felt252>;
    /// Accepts any transaction in the puppet's name.
    fn __validate__(ref self: T, calls: Array<Call>) -> felt252;
    /// Makes the calls of a transaction.
    fn __execute__(ref self: T, calls: Array<Call>) -> Array<Span<felt252>>;
}

#[starknet::contract(account)]
mod puppet {
    use starknet::account::Call;
    use starknet::syscalls::call_contract_syscall;
    use starknet::{ContractAddress, SyscallResultTrait, VALIDATED};

    #[storage]
    struct Storage {}

    #[abi(embed_v0)]
    impl Puppet of super::IPuppet<ContractState> {
        fn act(
            ref self: ContractState,
            to: ContractAddress,
            selector: felt252,
            calldata: Span<felt252>
        ) -> Span<felt252> {
            call_contract_syscall(to, selector, calldata).unwrap_syscall()
        }

        fn __validate__(ref self: ContractState, calls: Array<Call>) -> felt252 {
            VALIDATED
        }

        fn __execute__(ref self: ContractState, calls: Array<Call>) -> Array<Span<felt252>> {
            let mut answers: Array<Span<felt252>> = array![];
            for call in calls {
                answers.append(self.act(call.to, call.selector, call.calldata));
            };
            answers
        }
    }
}
