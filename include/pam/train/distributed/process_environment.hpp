// SPDX-License-Identifier: MIT
/// The place of this process among those that train together, from the environment that torchrun or Slurm sets.
#pragma once

#include <pam/core/error.hpp>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace pam {

/// One of `world_size` processes.
struct ProcessEnvironment {
  std::int64_t rank = 0;        ///< this process, from 0
  std::int64_t local_rank = 0;  ///< among those on this machine: which GPU to take
  std::int64_t world_size = 1;
  std::int64_t local_world_size = 1;  ///< how many of them are on this machine, and share its cores
  std::string address = "127.0.0.1";  ///< where process 0 listens: its store binds to this address alone
  std::uint16_t port = 29500;
  bool agent_store = false;   ///< torchrun's agent hosts the store at address:port, no process does
  std::string attempt = "0";  ///< torchrun's restart count, so that a restarted group does not read old keys
};

namespace detail {

using EnvironmentLookup = std::function<const char*(const char*)>;

inline std::optional<std::int64_t> environment_number(const EnvironmentLookup& get, const char* name, std::int64_t low,
                                                      std::int64_t high) {
  const char* text = get(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  std::int64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, value);
  check(parsed.ec == std::errc() && parsed.ptr == end && value >= low && value <= high,
        "the environment variable {} must be a whole number from {} to {}, got '{}'; torchrun and srun set it", name,
        low, high, text);
  return value;
}

/// The first host of a Slurm list: "node[01-04,07],gpu3" -> "node01".
inline std::string first_slurm_host(std::string_view list) {
  const auto bracket = list.find('['), comma = list.find(',');
  if (bracket == std::string_view::npos || comma < bracket) return std::string(list.substr(0, comma));
  const auto close = list.find(']', bracket);
  const auto number_end = list.find_first_of("-,]", bracket);
  if (close == std::string_view::npos || number_end == std::string_view::npos) return std::string(list);
  const auto rest = list.substr(close + 1);
  return std::string(list.substr(0, bracket)) + std::string(list.substr(bracket + 1, number_end - bracket - 1)) +
         std::string(rest.substr(0, rest.find(',')));
}

/// Tasks of the first node of a Slurm list: "4(x2),3" -> 4.
inline std::optional<std::int64_t> first_task_count(const char* list) {
  std::int64_t count = 0;
  if (list == nullptr || std::from_chars(list, list + std::strlen(list), count).ec != std::errc() || count < 1) {
    return std::nullopt;
  }
  return count;
}

/// The variables of Slurm's srun, if set. (A batch script outside srun is one process, so SLURM_NTASKS is not read.)
inline bool read_slurm(const EnvironmentLookup& get, ProcessEnvironment& environment) {
  constexpr auto most = std::numeric_limits<std::int32_t>::max();
  const auto world_size = environment_number(get, "SLURM_STEP_NUM_TASKS", 1, most);
  if (!world_size) return false;
  environment.world_size = *world_size;
  environment.rank = environment_number(get, "SLURM_PROCID", 0, most).value_or(0);
  environment.local_rank = environment_number(get, "SLURM_LOCALID", 0, most).value_or(0);
  environment.local_world_size = first_task_count(get("SLURM_STEP_TASKS_PER_NODE")).value_or(*world_size);
  const auto nodes = environment_number(get, "SLURM_STEP_NUM_NODES", 1, most).value_or(1);
  const char* list = get("SLURM_STEP_NODELIST");
  if (nodes > 1 && list != nullptr) environment.address = first_slurm_host(list);
  const auto job = environment_number(get, "SLURM_JOB_ID", 0, std::numeric_limits<std::int64_t>::max());
  environment.port = static_cast<std::uint16_t>(15000 + job.value_or(0) % 15000);  // two jobs on a machine: two ports
  return true;
}

}  // namespace detail

/// Reads RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TORCHELASTIC_USE_AGENT_STORE and
/// TORCHELASTIC_RESTART_COUNT (torchrun, or a shell loop), else Slurm's SLURM_STEP_NUM_TASKS, SLURM_PROCID,
/// SLURM_LOCALID, SLURM_STEP_TASKS_PER_NODE, SLURM_STEP_NODELIST, with MASTER_ADDR and MASTER_PORT on top. None of
/// them: one process. Without MASTER_ADDR, on one machine, the address is loopback. Throws `Error` that names the
/// variable at fault.
inline ProcessEnvironment process_environment(const detail::EnvironmentLookup& get = [](const char* name) {
  return static_cast<const char*>(std::getenv(name));
}) {
  constexpr auto most = std::numeric_limits<std::int32_t>::max();
  ProcessEnvironment environment;
  const auto world_size = detail::environment_number(get, "WORLD_SIZE", 1, most);
  const auto rank = detail::environment_number(get, "RANK", 0, most);
  check(world_size.has_value() == rank.has_value(), "the environment has {} but not {}; set both, or neither",
        world_size ? "WORLD_SIZE" : "RANK", world_size ? "RANK" : "WORLD_SIZE");
  if (world_size) {
    environment.world_size = *world_size;
    environment.rank = *rank;
    environment.local_rank = detail::environment_number(get, "LOCAL_RANK", 0, most).value_or(*rank);
    environment.local_world_size = detail::environment_number(get, "LOCAL_WORLD_SIZE", 1, most).value_or(*world_size);
  } else if (!detail::read_slurm(get, environment)) {
    return environment;
  }
  check(environment.rank < environment.world_size,
        "this process has rank {}, but there are {} processes (ranks 0 to {})", environment.rank,
        environment.world_size, environment.world_size - 1);
  if (const char* address = get("MASTER_ADDR"); address != nullptr && *address != '\0') environment.address = address;
  if (const auto port = detail::environment_number(get, "MASTER_PORT", 1, 65535)) {
    environment.port = static_cast<std::uint16_t>(*port);
  }
  const char* agent = get("TORCHELASTIC_USE_AGENT_STORE");
  environment.agent_store = agent != nullptr && std::string_view(agent) == "True";
  if (const char* attempt = get("TORCHELASTIC_RESTART_COUNT")) environment.attempt = attempt;
  return environment;
}

}  // namespace pam
