// SPDX-License-Identifier: Apache-2.0
//! A foreign job registry, for tests only: claims, a counter, whatever ids and CIDs the two types below say.
//!
//! Ids run from 1. Who claims first, alone may submit; then the job is completed. It only notes rewards and pays
//! nothing. Other files say in one line which types they put in the place of these.

use starknet::ContractAddress;

type JobId = u64;
type Cid = ByteArray;

#[starknet::interface]
trait IPlainRegistry<T> {
    /// Returns the job's id.
    fn create_job(ref self: T, asset_cid: Cid, reward: u256) -> JobId;
    /// Binds an open job to the caller.
    fn claim_job(ref self: T, job_id: JobId);
    /// The claimant's: completes the job.
    fn submit_result(ref self: T, job_id: JobId, result_cid: Cid);
    fn get_job_counter(self: @T) -> JobId;
    fn get_job_creator(self: @T, job_id: JobId) -> ContractAddress;
    fn get_job_worker(self: @T, job_id: JobId) -> ContractAddress;
    fn get_job_reward(self: @T, job_id: JobId) -> u256;
    fn get_job_asset_cid(self: @T, job_id: JobId) -> Cid;
    fn get_job_result_cid(self: @T, job_id: JobId) -> Cid;
    fn is_job_completed(self: @T, job_id: JobId) -> bool;
}

#[starknet::contract]
mod plain_registry {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess
    };
    use starknet::{ContractAddress, get_caller_address};
    use super::{Cid, JobId};

    #[storage]
    struct Storage {
        newest: JobId,
        creators: Map<JobId, ContractAddress>,
        workers: Map<JobId, ContractAddress>,
        rewards: Map<JobId, u256>,
        is_completed: Map<JobId, bool>,
        assets: Map<JobId, Cid>,
        results: Map<JobId, Cid>,
    }

    #[abi(embed_v0)]
    impl PlainRegistry of super::IPlainRegistry<ContractState> {
        fn create_job(ref self: ContractState, asset_cid: Cid, reward: u256) -> JobId {
            let job_id = self.newest.read() + 1;
            self.newest.write(job_id);
            self.creators.write(job_id, get_caller_address());
            self.rewards.write(job_id, reward);
            self.assets.write(job_id, asset_cid);
            job_id
        }

        fn claim_job(ref self: ContractState, job_id: JobId) {
            assert(!Zero::is_zero(@self.creators.read(job_id)), 'NO_SUCH_JOB');
            assert(Zero::is_zero(@self.workers.read(job_id)), 'NOT_OPEN');
            self.workers.write(job_id, get_caller_address());
        }

        fn submit_result(ref self: ContractState, job_id: JobId, result_cid: Cid) {
            assert(self.workers.read(job_id) == get_caller_address(), 'NOT_CLAIMANT');
            assert(!self.is_completed.read(job_id), 'ALREADY_COMPLETED');
            self.is_completed.write(job_id, true);
            self.results.write(job_id, result_cid);
        }

        fn get_job_counter(self: @ContractState) -> JobId {
            self.newest.read()
        }

        fn get_job_creator(self: @ContractState, job_id: JobId) -> ContractAddress {
            self.creators.read(job_id)
        }

        fn get_job_worker(self: @ContractState, job_id: JobId) -> ContractAddress {
            self.workers.read(job_id)
        }

        fn get_job_reward(self: @ContractState, job_id: JobId) -> u256 {
            self.rewards.read(job_id)
        }

        fn get_job_asset_cid(self: @ContractState, job_id: JobId) -> Cid {
            self.assets.read(job_id)
        }

        fn get_job_result_cid(self: @ContractState, job_id: JobId) -> Cid {
            self.results.read(job_id)
        }

        fn is_job_completed(self: @ContractState, job_id: JobId) -> bool {
            self.is_completed.read(job_id)
        }
    }
}
