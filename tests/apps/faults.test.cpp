// SPDX-License-Identifier: MIT
/// train under faults: kill -9 at random moments (PAM_KILLS says how many; default 5), a disk that is full, and
/// a corrupt case. Skipped by name where the program was not built beside the tests.
#include <pam/images/nifti.hpp>

#include "apps/program_runs.hpp"

#include <nlohmann/json.hpp>

#include <random>

#include <sys/mount.h>
#include <sys/resource.h>

namespace apps_faults_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

TEST_CASE("a training that is killed at random moments resumes to the weights and scores of an uninterrupted one",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const auto program = program_named("train");
  const char* wanted = std::getenv("PAM_KILLS");
  const int kills = wanted != nullptr ? std::atoi(wanted) : 5;
  TempDir folder;
  make_pictures(folder, 5);
  const std::vector<std::string> more{"--epochs", "12", "--validation-share", "0.2", "--resume"};
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(run_program_with(program, small_training(folder, "unbroken", more)).code == 0);
  const auto whole =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();

  std::mt19937_64 random(11);
  std::string moments;
  for (int done = 0, runs = 0; done < kills; ++runs) {
    const auto out = fmt::format("run{}", runs);
    for (; done < kills; ++done) {
      // A resumed run has less to do than the whole one, so some of these moments come after its end.
      const auto moment = std::uniform_int_distribution<std::int64_t>(0, whole)(random);
      ProgramRun run(program, small_training(folder, out, more));
      std::this_thread::sleep_for(std::chrono::milliseconds(moment));
      if (run.over()) break;
      run.send(SIGKILL);
      const auto code = run.wait().code;
      if (code == 0) break;  // it ended by itself just before the signal
      REQUIRE(code == 1000 + SIGKILL);
      moments += fmt::format(" {}", moment);
    }
    const auto end = run_program_with(program, small_training(folder, out, more));
    INFO(end.err);
    REQUIRE(end.code == 0);
    for (const char* name : {"last.safetensors", "best.safetensors"}) {
      INFO(name);
      REQUIRE(first_difference_of(folder / out / "unet" / name, folder / "unbroken" / "unet" / name) == "");
    }
    REQUIRE(text_of(folder / out / "unet" / "scores.json") == text_of(folder / "unbroken" / "unet" / "scores.json"));
    const auto rows = text_of(folder / out / "unet" / "metrics.jsonl");
    REQUIRE(std::count(rows.begin(), rows.end(), '\n') == 12);
  }
  std::cout << fmt::format("{} kills at ms{} of a training of {} ms: weights and scores equal\n", kills, moments,
                           whole);
}

TEST_CASE("a full disk during a checkpoint is an error, keeps the old one, and the run can be resumed", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const auto program = program_named("train");
  TempDir folder;
  make_pictures(folder, 4);
  const auto arguments = small_training(folder, "run", {"--epochs", "120", "--resume"});
  REQUIRE(run_program_with(program, small_training(folder, "unbroken", {"--epochs", "120"})).code == 0);
  ProgramRun broken(program, arguments);
  const auto cell = folder / "run" / "unet";
  REQUIRE(wait_until(broken, [&] { return text_of(cell / "metrics.jsonl").size() > 300; }));
  broken.send(SIGTERM);
  REQUIRE(broken.wait().code == 130);
  const auto state = text_of(cell / "last.state.safetensors"), weights = text_of(cell / "last.safetensors");
  REQUIRE(state.size() > 100000);

  // A limit on the size of files stands for the full disk: the write of the state fails in its middle.
  ProgramRun full(program, arguments, {}, [] {
    const rlimit limit{100000, 100000};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);
  });
  const auto end = full.wait();
  INFO(end.err);
  REQUIRE(end.code == 2);
  REQUIRE_THAT(end.err, Contains("last.state.safetensors") && Contains("File too large"));
  REQUIRE(text_of(cell / "last.state.safetensors") == state);
  REQUIRE(text_of(cell / "last.safetensors") == weights);
  for (const auto& entry : std::filesystem::directory_iterator(cell)) {
    REQUIRE(entry.path().extension() != ".tmp");  // no half-written file is left
  }
  REQUIRE(run_program_with(program, arguments).code == 0);
  REQUIRE(first_difference_of(cell / "last.safetensors", folder / "unbroken" / "unet" / "last.safetensors") == "");
}

/// A disk of `size` ("64k"), mounted at `path` while it lives; needs root and the right to mount.
class SmallDisk {
 public:
  SmallDisk(std::filesystem::path path, const char* size) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    mounted_ = mount("none", path_.c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) umount(path_.c_str());
  }
  [[nodiscard]] bool mounted() const { return mounted_; }

 private:
  std::filesystem::path path_;
  bool mounted_ = false;
};

TEST_CASE("a disk without space ends a training with a sentence, and nothing half-written is left", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  TempDir folder;
  make_pictures(folder, 4);
  // The first state does not fit; the second one, which holds AdamW's moments beside it, does not.
  for (const char* size : {"64k", "900k"}) {
    const SmallDisk disk(folder / "disk", size);
    if (!disk.mounted()) PAM_SKIP("no file system can be mounted here (it takes root)");
    const auto end = run_program_with(program_named("train"), small_training(folder, "disk/run"));
    INFO(size << ": " << end.err);
    REQUIRE(end.code == 2);
    REQUIRE_THAT(end.err, Contains("No space left on device") && Contains("free some space"));
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "disk")) {
      REQUIRE(entry.path().extension() != ".tmp");
      const bool metrics = entry.path().stem() == "metrics";
      if (metrics && entry.file_size() > 0) REQUIRE(text_of(entry.path()).back() == '\n');
    }
  }
}

TEST_CASE("a truncated training case is named, and left out with --skip-bad alone", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const auto program = program_named("train");
  TempDir folder;
  for (const char* name : {"images", "labels"}) std::filesystem::create_directories(folder / name);
  for (int i = 0; i < 4; ++i) {
    const auto image = (torch::arange(2 * 40 * 40) * 7919 % 61).view({2, 40, 40}).to(torch::kShort);
    auto labels = torch::zeros({2, 40, 40}, torch::kByte);
    labels.narrow(1, 5 + i, 10).fill_(3);
    const auto geometry = geometry_of({{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 3, 0}}});
    write_nifti(folder / "images" / fmt::format("case{}.nii.gz", i), image, geometry);
    write_nifti(folder / "labels" / fmt::format("case{}.nii.gz", i), labels, geometry);
  }
  std::ofstream(folder / "split.json") << R"({"train": ["case0", "case1", "case2"], "test": ["case3"]})";
  const auto damaged = folder / "images" / "case1.nii.gz";
  std::filesystem::resize_file(damaged, std::filesystem::file_size(damaged) / 2);
  const std::vector<std::string> more{"--split", (folder / "split.json").string(), "--epochs", "1"};
  auto end = run_program_with(program, small_training(folder, "run", more));
  REQUIRE(end.code == 2);
  REQUIRE_THAT(end.err, Contains("case1"));
  REQUIRE_FALSE(std::filesystem::exists(folder / "run"));
  auto skipping = more;
  skipping.emplace_back("--skip-bad");
  end = run_program_with(program, small_training(folder, "run", skipping));
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE_THAT(end.err, Contains("skipped") && Contains("case1"));
  const auto scores = nlohmann::json::parse(std::ifstream(folder / "run" / "unet" / "scores.json"));
  REQUIRE(scores["cases"].size() == 1);
  const auto record = nlohmann::json::parse(std::ifstream(folder / "run" / "run.json"));
  REQUIRE(record["data"]["files"] == 6);  // what could not be read has no fingerprint
}

TEST_CASE("a new run that is killed leaves nothing of the older one to resume", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const auto program = program_named("train");
  TempDir folder;
  make_pictures(folder, 5);
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all{"--nets", "unet", "cscunet"};
    all.insert(all.end(), more.begin(), more.end());
    return small_training(folder, "run", all);
  };
  REQUIRE(run_program_with(program, with({"--epochs", "1"})).code == 0);
  const auto older = folder / "run" / "cscunet" / "scores.json";
  REQUIRE(std::filesystem::exists(older));
  const auto weights = older.parent_path() / "last.safetensors";
  REQUIRE(std::filesystem::exists(weights));
  ProgramRun again(program, with({"--epochs", "500", "--overwrite"}));
  REQUIRE(wait_until(again, [&] { return !std::filesystem::exists(older) && !std::filesystem::exists(weights); }));
  again.send(SIGKILL);
  REQUIRE(again.wait().code == 1000 + SIGKILL);
  REQUIRE(!std::filesystem::exists(older));
  REQUIRE(!std::filesystem::exists(weights));
}

}  // namespace apps_faults_test
