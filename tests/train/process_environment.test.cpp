// SPDX-License-Identifier: MIT
#include <pam/train/distributed/process_environment.hpp>

#include "support/catch.hpp"

#include <map>
#include <string>

namespace train_process_environment_test {

using namespace pam;
using Catch::Matchers::Contains;

ProcessEnvironment read(const std::map<std::string, std::string>& variables) {
  return process_environment([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST_CASE("without variables there is one process", "[train]") {
  const auto alone = read({});
  CHECK(alone.world_size == 1);
  CHECK(alone.rank == 0);
  CHECK(read({{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}).world_size == 1);  // a batch script, outside srun
}

TEST_CASE("torchrun's variables are understood", "[train]") {
  const auto process = read({{"RANK", "3"},
                             {"LOCAL_RANK", "1"},
                             {"WORLD_SIZE", "4"},
                             {"LOCAL_WORLD_SIZE", "2"},
                             {"MASTER_ADDR", "10.0.0.7"},
                             {"MASTER_PORT", "12345"},
                             {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                             {"TORCHELASTIC_RESTART_COUNT", "2"}});
  CHECK(process.rank == 3);
  CHECK(process.local_rank == 1);
  CHECK(process.world_size == 4);
  CHECK(process.local_world_size == 2);
  CHECK(process.address == "10.0.0.7");
  CHECK(process.port == 12345);
  CHECK(process.agent_store);
  CHECK(process.attempt == "2");
  CHECK(read({{"RANK", "0"}, {"WORLD_SIZE", "2"}}).address == "127.0.0.1");
  CHECK(read({{"RANK", "0"}, {"WORLD_SIZE", "2"}}).local_world_size == 2);  // a shell loop, on one machine
}

TEST_CASE("Slurm's variables are understood, and its node lists", "[train]") {
  std::map<std::string, std::string> slurm{{"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_PROCID", "5"},
                                           {"SLURM_LOCALID", "1"},        {"SLURM_STEP_NUM_NODES", "2"},
                                           {"SLURM_JOB_ID", "30007"},     {"SLURM_STEP_NODELIST", "gpu-a[03-04]"}};
  const auto process = read(slurm);
  CHECK(process.rank == 5);
  CHECK(process.world_size == 8);
  CHECK(process.local_rank == 1);
  CHECK(process.address == "gpu-a03");
  CHECK(process.port == 15007);
  slurm["SLURM_STEP_TASKS_PER_NODE"] = "4(x2)";
  CHECK(read(slurm).local_world_size == 4);
  slurm["SLURM_STEP_NUM_NODES"] = "1";
  CHECK(read(slurm).address == "127.0.0.1");
  slurm["MASTER_ADDR"] = "head";
  CHECK(read(slurm).address == "head");
  CHECK(pam::detail::first_slurm_host("n1,n2") == "n1");
  CHECK(pam::detail::first_slurm_host("n[7,9],m1") == "n7");
  CHECK(pam::detail::first_slurm_host("r[1-2]x,m1") == "r1x");
  CHECK(pam::detail::first_slurm_host("single") == "single");
}

TEST_CASE("a variable that makes no sense is named", "[train]") {
  CHECK_THROWS_WITH(read({{"RANK", "one"}, {"WORLD_SIZE", "2"}}), Contains("RANK") && Contains("'one'"));
  CHECK_THROWS_WITH(read({{"RANK", "0"}, {"WORLD_SIZE", "0"}}), Contains("WORLD_SIZE"));
  CHECK_THROWS_WITH(read({{"RANK", "2"}, {"WORLD_SIZE", "2"}}), Contains("rank 2") && Contains("0 to 1"));
  CHECK_THROWS_WITH(read({{"WORLD_SIZE", "2"}}), Contains("WORLD_SIZE but not RANK"));
  CHECK_THROWS_WITH(read({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "99999"}}), Contains("MASTER_PORT"));
}

}  // namespace train_process_environment_test
