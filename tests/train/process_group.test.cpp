// SPDX-License-Identifier: MIT
/// Two processes on loopback. Each test runs in a process of its own, which forks the ranks (train/forks.hpp).
#include <pam/train/distributed/process_group.hpp>

#include <pam/data/loader.hpp>
#include <pam/losses/segmentation_loss.hpp>
#include <pam/weights/safetensors.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/tensor_matchers.hpp"
#include "train/fake_training.hpp"
#include "train/forks.hpp"

#if PAM_HAS_PROCESS_GROUP

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

namespace train_process_group_test {

using namespace pam;
using namespace pam::test;
using Catch::Matchers::Contains;
using std::chrono::milliseconds;

ProcessEnvironment rank_of_two(int rank, std::uint16_t port) {
  ProcessEnvironment environment;
  environment.rank = environment.local_rank = rank;
  environment.world_size = 2;
  environment.port = port;
  return environment;
}

ProcessGroupOptions within(milliseconds timeout) {
  ProcessGroupOptions options;
  options.timeout = timeout;
  options.buckets = {256, 512};  // several buckets even for the small nets here
  return options;
}

/// Throws where two processes got different numbers, and names the first tensor.
void check_equal_everywhere(ProcessGroup& group, const StateDict& weights) {
  for (const auto& [name, tensor] : weights) {
    const auto own = tensor.to(torch::kDouble);
    const auto mean = group.sum(own) / group.world_size();
    check(torch::equal(mean, own), "'{}' differs between the processes", name);
  }
}

/// Dice over the batch of all processes, by the sums of its pixels; written out here, apart from pam's losses.
template <typename Communicator>
torch::Tensor global_dice(Communicator& group, const torch::Tensor& logits, const torch::Tensor& labels) {
  const auto p = torch::sigmoid(logits.select(1, 0));
  const auto t = labels.to(p.scalar_type());
  const auto sums = group.sum(torch::stack({(p * t).sum(), p.sum() + t.sum()}));
  return 1 - (2 * sums[0] + 1) / (sums[1] + 1);
}

/// A net without batch norm and dropout, which depend on how the batch is divided.
torch::nn::Sequential plain_net() {
  SeedScope scope(3);
  return torch::nn::Sequential(torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 8, 3).padding(1)), torch::nn::ReLU(),
                               torch::nn::Conv2d(torch::nn::Conv2dOptions(8, 8, 3).padding(1)), torch::nn::ReLU(),
                               torch::nn::Conv2d(torch::nn::Conv2dOptions(8, 1, 1)));
}

/// `model(x)` for `torch::nn::Sequential`.
struct PlainModel {
  torch::nn::Sequential net = plain_net();
  torch::Tensor operator()(const torch::Tensor& x) { return net->forward(x); }
  torch::nn::SequentialImpl* operator->() { return net.get(); }
  torch::nn::SequentialImpl& operator*() const { return *net.ptr(); }
};

/// Batches of 4 in one process; of 2, the rank's half of each, in two.
FakeLoader shared_loader(int rank, int world) {
  FakeLoader loader(3, 4 / world);
  loader.change = [rank, world](Batch& batch, std::int64_t epoch, std::int64_t index) {
    FakeLoader whole(3, 4);
    whole.start_epoch(epoch);
    auto all = *whole.next();
    for (std::int64_t i = 0; i < index; ++i) all = *whole.next();
    batch.images = all.images.narrow(0, rank * (4 / world), 4 / world);
    batch.labels = all.labels.narrow(0, rank * (4 / world), 4 / world);
  };
  return loader;
}

constexpr const char* kGradients = "two processes with half a batch have the gradients of one with all of it";
TEST_CASE(kGradients, "[train]") {
  if (!runs_alone()) {
    CHECK(run_alone(kGradients) == 0);
    return;
  }
  torch::set_num_threads(1);
  const auto port = free_port();
  const auto messages = run_ranks(2, [&](int rank) {
    ProcessGroup group(rank_of_two(rank, port), within(milliseconds(20000)));
    auto whole = plain_net(), half = plain_net();
    auto all = shared_loader(0, 1);
    auto share = shared_loader(rank, 2);
    all.start_epoch(0);
    share.start_epoch(0);
    SingleProcess alone;
    for (int accumulated = 0; accumulated < 2; ++accumulated) {
      const auto batch = *all.next(), part = *share.next();
      global_dice(alone, whole->forward(batch.images), batch.labels).backward();
      const auto loss = global_dice(group, half->forward(part.images), part.labels);
      if (accumulated == 1) group.begin_gradients(*half);
      loss.backward();
    }
    group.average_gradients(*half);
    // The bound, relative to the largest gradient of each parameter: float32 sums in another order.
    const auto expected = whole->parameters(), got = half->parameters();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto largest = expected[i].grad().abs().max().item<double>();
      const auto error = (expected[i].grad() - got[i].grad()).abs().max().item<double>();
      check(largest > 1e-5, "parameter {} has no gradient to compare", i);
      check(error <= 1e-6 * largest + 1e-9, "gradient {} differs by {} (largest {})", i, error, largest);
    }
  });
  CHECK(messages == std::vector<std::string>(2));
}

/// Six cases of 1 to 4 slices, each slice of numbers of its own.
class SmallCases final : public Dataset {
 public:
  std::int64_t size() const override { return 15; }
  std::string case_name(std::int64_t index) const override {
    return fmt::format("case{}", std::min(index / 3, index % 6));
  }
  Sample get(std::int64_t index) const override {
    const auto numbers = torch::arange(2 * 8 * 9, torch::kFloat).view({2, 8, 9});
    const auto image = (numbers * static_cast<float>(index + 3)).sin();
    return {image, (image[0] > 0.3).to(torch::kLong), case_name(index), index};
  }
};

constexpr const char* kShares = "batches of whole cases in two processes have the gradients of one with both batches";
TEST_CASE(kShares, "[train]") {
  if (!runs_alone()) {
    CHECK(run_alone(kShares) == 0);
    return;
  }
  torch::set_num_threads(1);
  const auto port = free_port();
  const auto messages = run_ranks(2, [&](int rank) {
    ProcessGroup group(rank_of_two(rank, port), within(milliseconds(20000)));
    const auto data = std::make_shared<SmallCases>();
    std::vector<std::unique_ptr<DataLoader>> loaders;
    for (int r = 0; r < 2; ++r) {
      LoaderOptions options;
      options.batch_size = 3;
      options.workers = 0;
      options.augment.flip_horizontal = 0.5;
      options.rank = r;
      options.world_size = 2;
      loaders.push_back(std::make_unique<DataLoader>(data, options));
      loaders.back()->start_epoch(1);
    }
    check(loaders[0]->batches() == loaders[1]->batches(), "the processes have other numbers of batches");
    for (const char* name : {"dice", "bce", "dice_bce", "focal", "tversky"}) {
      const SegmentationLoss alone(name);
      SegmentationLoss together(name);
      together.options().reduce_sums = [&](const torch::Tensor& sums) { return group.sum(sums); };
      for (auto& loader : loaders) loader->start_epoch(1);
      while (const auto first = loaders[0]->next()) {
        const auto second = loaders[1]->next();
        auto whole = plain_net(), part = plain_net();
        whole->to(torch::kDouble);  // rounding must not hide, or be taken for, a wrong sum
        part->to(torch::kDouble);
        alone(whole->forward(torch::cat({first->images, second->images}).to(torch::kDouble)),
              torch::cat({first->labels, second->labels}))
            .backward();
        const auto& own = rank == 0 ? *first : *second;
        group.begin_gradients(*part);
        together(part->forward(own.images.to(torch::kDouble)), own.labels).backward();
        group.average_gradients(*part);
        const auto expected = whole->parameters(), got = part->parameters();
        double largest = 0;
        for (const auto& each : expected) largest = std::max(largest, each.grad().abs().max().item<double>());
        for (std::size_t i = 0; i < expected.size(); ++i) {
          const auto error = (expected[i].grad() - got[i].grad()).abs().max().item<double>();
          // The bound, relative to the net's largest gradient; in float32 the order of sums alone comes near
          // it.
          check(error <= 1e-6 * largest, "{}: gradient {} differs by {} (largest {})", name, i, error, largest);
        }
      }
    }
  });
  CHECK(messages == std::vector<std::string>(2));
}

constexpr const char* kFit = "fit over two processes equals fit over one with the whole batch and resumes bit for bit";
TEST_CASE(kFit, "[train]") {
  if (!runs_alone()) {
    CHECK(run_alone(kFit) == 0);
    return;
  }
  torch::set_num_threads(1);
  TempDir folder;
  const auto train = [&](auto& communicator, const std::filesystem::path& directory, std::int64_t stop_at,
                         std::uint64_t net_seed) {
    PlainModel model;
    {
      torch::NoGradGuard no_grad;  // other weights on other ranks: the broadcast must mend that
      for (auto& parameter : model->parameters()) parameter.add_(0.001 * static_cast<double>(net_seed));
    }
    auto loader = shared_loader(static_cast<int>(communicator.rank()), static_cast<int>(communicator.world_size()));
    torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.1).momentum(0.9));
    FitOptions options;
    options.epochs = 3;
    options.accumulate = 2;
    options.clip_norm = 0.5;
    options.directory = directory;
    options.resume = true;
    options.validate = [&](std::int64_t epoch) { return Validation(static_cast<double>(epoch + communicator.rank())); };
    std::atomic<bool> stop{false};
    options.stop = &stop;
    std::int64_t events = 0;
    const auto result = fit(
        model, loader,
        [&](const torch::Tensor& logits, const torch::Tensor& labels) {
          return global_dice(communicator, logits, labels);
        },
        optimizer, options,
        [&](const Event& event) {
          ++events;
          if (const auto* step = std::get_if<StepEnd>(&event)) stop = step->step == stop_at;
        },
        communicator);
    check(communicator.rank() == 0 ? events > 0 : events == 0, "events belong to process 0");
    check(stop_at > 0 || *result.best_score == 3.0, "the score is process 0's, got {}", *result.best_score);
    return std::make_pair(state_dict(*model.net), result);
  };
  SingleProcess alone;
  const auto reference = train(alone, folder / "one", -1, 0);
  const auto both = [&](const std::string& name, std::int64_t stop_at) {
    const auto port = free_port();
    return run_ranks(2, [&](int rank) {
      ProcessGroup group(rank_of_two(rank, port), within(milliseconds(20000)));
      const auto [weights, result] = train(group, folder / name, stop_at, static_cast<std::uint64_t>(rank));
      check_equal_everywhere(group, weights);
      check(result.reason == (stop_at > 0 ? StopReason::StopRequested : StopReason::Completed), "wrong reason");
      check(stop_at < 0 || result.steps == stop_at, "stopped at step {}", result.steps);
      check(stop_at > 0 || std::abs(result.loss - reference.second.loss) < 1e-6, "loss {}", result.loss);
    });
  };
  CHECK(both("two", -1) == std::vector<std::string>(2));
  const auto two = read_safetensors(folder / "two" / "last.safetensors").tensors;
  for (const auto& [name, tensor] : reference.first) {
    CAPTURE(name);
    // 6 SGD steps with momentum, each 1e-7 off, on weights of size 0.3.
    CHECK_THAT(find_tensor(two, name), IsClose(tensor).atol(1e-5));
  }
  CHECK(both("broken", 3) == std::vector<std::string>(2));
  CHECK(both("broken", -1) == std::vector<std::string>(2));
  CHECK(first_difference(read_safetensors(folder / "broken" / "last.safetensors").tensors, two) == "");

  // A checkpoint of two processes is not one of one.
  CHECK_THAT(error_of([&] { train(alone, folder / "two", -1, 0); }), Contains("processes: 2") && Contains("now 1"));
}

constexpr const char* kDead = "a dead or silent process ends the other with a sentence within the timeout";
TEST_CASE(kDead, "[train]") {
  if (!runs_alone()) {
    CHECK(run_alone(kDead) == 0);
    return;
  }
  const auto port = free_port(), other_port = free_port();
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  const auto dead = run_ranks(2, [&](int rank) {
    ProcessGroup group(rank_of_two(rank, port), within(milliseconds(20000)));
    if (rank == 1) ::kill(::getpid(), SIGKILL);
    group.barrier();
  });
  CHECK_THAT(dead[0], Contains("process 0 of 2") && Contains("another process has ended"));
  CHECK(seconds() < 10);  // the broken connection is seen at once, long before the timeout
  const auto before = seconds();
  const auto silent = run_ranks(2, [&](int rank) {
    ProcessGroup group(rank_of_two(rank, other_port), within(milliseconds(1000)));
    if (rank == 1) std::this_thread::sleep_for(milliseconds(2500));
    if (rank == 0) group.barrier();
  });
  CHECK_THAT(silent[0], Contains("process 0 of 2") && Contains("did not answer within 1 s"));
  CHECK(seconds() - before < 10);
}

constexpr const char* kMissing = "a process that nobody meets says so, and so does one whose port is taken";
TEST_CASE(kMissing, "[train]") {
  if (!runs_alone()) {
    CHECK(run_alone(kMissing) == 0);
    return;
  }
  const auto meet = [](ProcessEnvironment environment) {
    return error_of([&] { ProcessGroup group(environment, within(milliseconds(300))); });
  };
  const auto port = free_port();
  CHECK_THAT(meet(rank_of_two(1, port)), Contains("process 0 does not answer at 127.0.0.1:" + std::to_string(port)));
  CHECK_THAT(meet(rank_of_two(0, port)), Contains("process 0 of 2") && Contains("meeting the other processes"));
  const auto taken = pam::detail::Socket::listen("127.0.0.1", port);
  CHECK_THAT(meet(rank_of_two(0, port)), Contains("cannot listen") && Contains("MASTER_PORT"));
  auto nowhere = rank_of_two(1, port);
  nowhere.address = "no.such.host.invalid";
  CHECK_THAT(meet(nowhere), Contains("no.such.host.invalid") && Contains("MASTER_ADDR"));
}

constexpr const char* kDifferent = "processes with different numbers of batches are refused before the first step";
TEST_CASE(kDifferent, "[train]") {
  if (!runs_alone()) {
    CHECK(run_alone(kDifferent) == 0);
    return;
  }
  torch::set_num_threads(1);
  const auto port = free_port();
  const auto messages = run_ranks(2, [&](int rank) {
    ProcessGroup group(rank_of_two(rank, port), within(milliseconds(20000)));
    auto net = fake_net();
    FakeLoader loader(3 + rank);
    auto optimizer = make_adamw(net);
    fit(net, loader, fake_loss, optimizer, FitOptions(), {}, group);
  });
  CHECK_THAT(messages[0], Contains("differ in batches per epoch") && Contains("process 0 has 3"));
  CHECK_THAT(messages[1], Contains("process 1 has 4"));
}

constexpr const char* kInterrupt = "an interrupt of one process stops both after the same step";
TEST_CASE(kInterrupt, "[train]") {
  if (!runs_alone()) {
    CHECK(run_alone(kInterrupt) == 0);
    return;
  }
  torch::set_num_threads(1);
  const auto port = free_port();
  const auto messages = run_ranks(2, [&](int rank) {
    std::signal(SIGTERM, SIG_DFL);
    ProcessGroup group(rank_of_two(rank, port), within(milliseconds(20000)));
    auto net = fake_net();
    FakeLoader loader(4);
    loader.change = [&](Batch&, std::int64_t, std::int64_t index) {
      if (rank == 1 && index == 2) std::raise(SIGTERM);
    };
    auto optimizer = make_adamw(net);
    FitOptions options;
    options.catch_signals = true;
    const auto result = fit(net, loader, fake_loss, optimizer, options, {}, group);
    check(result.reason == StopReason::Interrupted && result.steps == 3, "ended at step {}", result.steps);
  });
  CHECK(messages == std::vector<std::string>(2));
}

/// The local addresses of listening TCP sockets of this process, "hexaddress:port".
std::vector<std::string> listening_addresses() {
  std::vector<std::string> inodes;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(entry.path(), error).string();
    if (target.rfind("socket:[", 0) == 0) inodes.push_back(target.substr(8, target.size() - 9));
  }
  std::vector<std::string> addresses;
  for (const auto* table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    std::ifstream in(table);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::istringstream fields(line);
      std::string slot, local, remote, state, skip, inode;
      fields >> slot >> local >> remote >> state >> skip >> skip >> skip >> skip >> skip >> inode;
      if (state == "0A" && std::find(inodes.begin(), inodes.end(), inode) != inodes.end()) addresses.push_back(local);
    }
  }
  return addresses;
}

constexpr const char* kLoopback = "a group of one machine listens on loopback alone";
TEST_CASE(kLoopback, "[train]") {
  if (!runs_alone()) {
    CHECK(run_alone(kLoopback) == 0);
    return;
  }
  const auto port = free_port();
  const auto messages = run_ranks(2, [&](int rank) {
    ProcessGroup group(rank_of_two(rank, port), within(milliseconds(20000)));
    const auto addresses = listening_addresses();
    check(rank != 0 || !addresses.empty(), "no listening socket found: the test looks in the wrong place");
    for (const auto& address : addresses) {
      check(address.rfind("0100007F:", 0) == 0, "a socket listens on {}", address);  // 127.0.0.1, little endian
    }
    group.barrier();
  });
  CHECK(messages == std::vector<std::string>(2));
}

constexpr const char* kAgent = "under torchrun the processes use the store that its agent hosts";
TEST_CASE(kAgent, "[train]") {
  if (!runs_alone()) {
    CHECK(run_alone(kAgent) == 0);
    return;
  }
  const auto port = free_port();
  // torchrun's agent: a c10d::TCPStore server in a process that takes no part.
  const auto agent = start_process([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = true;
    options.waitWorkers = false;
    const auto store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
    store->wait({"over"}, milliseconds(20000));
  });
  const auto messages = run_ranks(2, [&](int rank) {
    std::this_thread::sleep_for(milliseconds(300));  // TCPStore's client gives up on a refused connection in 1.13
    setenv("RANK", std::to_string(rank).c_str(), 1);
    setenv("WORLD_SIZE", "2", 1);
    setenv("MASTER_ADDR", "127.0.0.1", 1);
    setenv("MASTER_PORT", std::to_string(port).c_str(), 1);
    setenv("TORCHELASTIC_USE_AGENT_STORE", "True", 1);
    const double sum = with_processes(
        [&](auto& group) { return group.sum(torch::tensor({1.0 + group.rank()})).template item<double>(); });
    check(sum == 3, "the sum is {}", sum);
  });
  CHECK(messages == std::vector<std::string>(2));
  c10d::TCPStoreOptions options;
  options.port = port;
  c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options)->set("over", {1});
  CHECK(end_of(agent) == 0);
}

TEST_CASE("a single process sums and averages nothing", "[train]") {
  SingleProcess alone;
  const auto x = torch::ones({2}, torch::requires_grad());
  alone.sum(x * 2).sum().backward();
  CHECK_THAT(x.grad(), IsClose(torch::full({2}, 2.0)));
  CHECK(with_processes([](auto& communicator) { return communicator.world_size(); }) == 1);
}

}  // namespace train_process_group_test

#endif  // PAM_HAS_PROCESS_GROUP
