// SPDX-License-Identifier: Apache-2.0
//! A foreign job registry, for tests only: felt252 ids, CIDs as pairs of short strings, no claim, no counter.
//!
//! Ids run from 1. A worker registers itself, and the owner verifies it; then the first result submitted is
//! paid at once. Not fit for real money.

use starknet::ContractAddress;

#[starknet::interface]
trait IToken<T> {
    fn transfer(ref self: T, recipient: ContractAddress, amount: u256) -> bool;
    fn transfer_from(
        ref self: T, sender: ContractAddress, recipient: ContractAddress, amount: u256
    ) -> bool;
}

#[starknet::interface]
trait IClassicRegistry<T> {
    /// Takes the reward from the caller, who has approved it. Returns the job's id.
    fn create_job(ref self: T, asset_cid: (felt252, felt252), reward: u256) -> felt252;
    /// Sends the job's result and is paid. Needs an eligible worker and a job without a result.
    fn submit_result(ref self: T, job_id: felt252, result_cid: (felt252, felt252));
    /// Asks to be verified; `info` is a short string about the worker.
    fn register_worker(ref self: T, info: felt252);
    /// The owner's: lets a registered worker submit.
    fn verify_worker(ref self: T, worker: ContractAddress);
    fn is_worker_registered(self: @T, worker: ContractAddress) -> bool;
    fn is_worker_verified(self: @T, worker: ContractAddress) -> bool;
    fn is_worker_eligible(self: @T, worker: ContractAddress, job_id: felt252) -> bool;
    fn get_job_creator(self: @T, job_id: felt252) -> ContractAddress;
    fn get_job_worker(self: @T, job_id: felt252) -> ContractAddress;
    fn get_job_reward(self: @T, job_id: felt252) -> u256;
    fn get_job_asset_cid(self: @T, job_id: felt252) -> (felt252, felt252);
    fn get_job_result_cid(self: @T, job_id: felt252) -> (felt252, felt252);
}

#[starknet::contract]
mod classic_registry {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess
    };
    use starknet::{ContractAddress, get_caller_address, get_contract_address};
    use super::{ITokenDispatcher, ITokenDispatcherTrait};

    #[storage]
    struct Storage {
        owner: ContractAddress,
        token: ContractAddress,
        newest: felt252,
        creators: Map<felt252, ContractAddress>,
        workers: Map<felt252, ContractAddress>,
        rewards: Map<felt252, u256>,
        assets: Map<felt252, (felt252, felt252)>,
        results: Map<felt252, (felt252, felt252)>,
        infos: Map<ContractAddress, felt252>,
        verified: Map<ContractAddress, bool>,
    }

    #[constructor]
    fn constructor(ref self: ContractState, owner: ContractAddress, token: ContractAddress) {
        self.owner.write(owner);
        self.token.write(token);
    }

    #[abi(embed_v0)]
    impl ClassicRegistry of super::IClassicRegistry<ContractState> {
        fn create_job(
            ref self: ContractState, asset_cid: (felt252, felt252), reward: u256
        ) -> felt252 {
            let creator = get_caller_address();
            let token = ITokenDispatcher { contract_address: self.token.read() };
            assert(token.transfer_from(creator, get_contract_address(), reward), 'TOKEN_REFUSED');
            let job_id = self.newest.read() + 1;
            self.newest.write(job_id);
            self.creators.write(job_id, creator);
            self.rewards.write(job_id, reward);
            self.assets.write(job_id, asset_cid);
            job_id
        }

        fn submit_result(
            ref self: ContractState, job_id: felt252, result_cid: (felt252, felt252)
        ) {
            let worker = get_caller_address();
            assert(self.is_worker_eligible(worker, job_id), 'NOT_ELIGIBLE');
            self.workers.write(job_id, worker);
            self.results.write(job_id, result_cid);
            let token = ITokenDispatcher { contract_address: self.token.read() };
            assert(token.transfer(worker, self.rewards.read(job_id)), 'TOKEN_REFUSED');
        }

        fn register_worker(ref self: ContractState, info: felt252) {
            assert(info != 0, 'NO_INFO');
            self.infos.write(get_caller_address(), info);
        }

        fn verify_worker(ref self: ContractState, worker: ContractAddress) {
            assert(get_caller_address() == self.owner.read(), 'NOT_OWNER');
            assert(self.is_worker_registered(worker), 'NOT_REGISTERED');
            self.verified.write(worker, true);
        }

        fn is_worker_registered(self: @ContractState, worker: ContractAddress) -> bool {
            self.infos.read(worker) != 0
        }

        fn is_worker_verified(self: @ContractState, worker: ContractAddress) -> bool {
            self.verified.read(worker)
        }

        fn is_worker_eligible(
            self: @ContractState, worker: ContractAddress, job_id: felt252
        ) -> bool {
            let is_open = !Zero::is_zero(@self.creators.read(job_id))
                && Zero::is_zero(@self.workers.read(job_id));
            is_open && self.verified.read(worker)
        }

        fn get_job_creator(self: @ContractState, job_id: felt252) -> ContractAddress {
            self.creators.read(job_id)
        }

        fn get_job_worker(self: @ContractState, job_id: felt252) -> ContractAddress {
            self.workers.read(job_id)
        }

        fn get_job_reward(self: @ContractState, job_id: felt252) -> u256 {
            self.rewards.read(job_id)
        }

        fn get_job_asset_cid(self: @ContractState, job_id: felt252) -> (felt252, felt252) {
            self.assets.read(job_id)
        }

        fn get_job_result_cid(self: @ContractState, job_id: felt252) -> (felt252, felt252) {
            self.results.read(job_id)
        }
    }
}
