// SPDX-License-Identifier: MIT
/// Orientation and intensities of volumes, from training to the masks of new volumes, as users of the programs see it.
#include <pam/images/nifti.hpp>

#include "apps/program_runs.hpp"
#include "apps/trainer_checks.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <fstream>

namespace apps_volumes_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;
using test::Trainer;

/// A volume by what stands where in the subject, in mm: `at(r, a, s)`, r to the right, a to the front, s to the top.
using World = std::function<double(std::int64_t r, std::int64_t a, std::int64_t s)>;
constexpr std::array<std::int64_t, 3> kWorld{24, 22, 20};  // mm; no two alike

/// The stored voxel (x, y, z) of a world position: `code` says where the file's axes run. No code of pam's is used.
struct Stored {
  std::string code;
  [[nodiscard]] std::size_t direction(std::size_t axis) const { return std::string("LRPAIS").find(code[axis]) / 2; }
  [[nodiscard]] bool grows(std::size_t axis) const { return std::string("LRPAIS").find(code[axis]) % 2 == 1; }
  [[nodiscard]] std::int64_t size(std::size_t axis) const { return kWorld[direction(axis)]; }
  [[nodiscard]] std::int64_t voxel(std::size_t axis, const std::array<std::int64_t, 3>& world) const {
    const auto at = world[direction(axis)];
    return grows(axis) ? at : size(axis) - 1 - at;
  }
  [[nodiscard]] NiftiGeometry geometry() const {
    Affine affine{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      affine[direction(axis)][axis] = grows(axis) ? 1 : -1;
      if (!grows(axis)) affine[direction(axis)][3] = static_cast<double>(size(axis) - 1);
    }
    return geometry_of(affine);
  }
};

/// Calls `each(r, a, s, z, y, x)` for every voxel.
template <typename Each>
void for_voxels(const Stored& how, const Each& each) {
  for (std::int64_t r = 0; r < kWorld[0]; ++r) {
    for (std::int64_t a = 0; a < kWorld[1]; ++a) {
      for (std::int64_t s = 0; s < kWorld[2]; ++s) {
        const std::array<std::int64_t, 3> world{r, a, s};
        each(r, a, s, how.voxel(2, world), how.voxel(1, world), how.voxel(0, world));
      }
    }
  }
}

void write_world(const std::filesystem::path& path, const World& at, const std::string& code) {
  const Stored how{code};
  auto voxels = torch::zeros({how.size(2), how.size(1), how.size(0)}, torch::kShort);
  auto stored = voxels.accessor<std::int16_t, 3>();
  for_voxels(how, [&](auto r, auto a, auto s, auto z, auto y, auto x) {
    stored[z][y][x] = static_cast<std::int16_t>(at(r, a, s));
  });
  std::filesystem::create_directories(path.parent_path());
  write_nifti(path, voxels, how.geometry());
}

/// A file's voxels in the order of `kWorld`.
torch::Tensor world_of(const std::filesystem::path& path, const std::string& code) {
  const Stored how{code};
  const auto voxels = read_nifti(path).voxels.to(torch::kLong);
  auto world = torch::zeros({kWorld[0], kWorld[1], kWorld[2]}, torch::kLong);
  auto to = world.accessor<std::int64_t, 3>();
  const auto from = voxels.accessor<std::int64_t, 3>();
  for_voxels(how, [&](auto r, auto a, auto s, auto z, auto y, auto x) { to[r][a][s] = from[z][y][x]; });
  return world;
}

/// A blob to the right, to the front and at the top of a ramp with noise: no mirror image of it is itself.
bool in_blob(int number, std::int64_t r, std::int64_t a, std::int64_t s) {
  const auto square = [](std::int64_t x) { return x * x; };
  return square(r - 15 + number) + square(a - 13) + square(s - 11 - number % 2) < 30;
}
World scan(int number) {
  return [number](auto r, auto a, auto s) {
    const double noise = static_cast<double>((r * 7919 + a * 104729 + s * 1299709 + 31 * number) % 41);
    return 50 + 2 * static_cast<double>(r) + static_cast<double>(a) + noise + (in_blob(number, r, a, s) ? 150 : 0);
  };
}
World blob(int number) {
  return [number](auto r, auto a, auto s) { return in_blob(number, r, a, s) ? 1 : 0; };
}

test::ProgramEnd train(const std::filesystem::path& data, const std::filesystem::path& out,
                       const std::vector<std::string>& more) {
  std::vector<std::string> all{"--data",  data.string(), "--label-values", "1",    "--nets",    "unet",
                               "--width", "4",           "--threads",      "1",    "--workers", "1",
                               "--batch", "4",           "--lr",           "0.01", "--out",     out.string()};
  all.insert(all.end(), more.begin(), more.end());
  return test::run_program_with(test::program_named("train"), all);
}

/// Predicts one scan that is stored as LPS, RAS and PIR into `folder`/out.
test::ProgramEnd predict_in_three_orders(const TempDir& folder, const std::filesystem::path& weights) {
  std::vector<std::string> arguments{"--weights", weights.string(),          "--threads", "1",
                                     "--out",     (folder / "out").string(), "--input"};
  for (const char* code : {"LPS", "RAS", "PIR"}) {
    const auto path = folder / "new" / (std::string(code) + ".nii.gz");
    write_world(path, scan(9), code);
    arguments.push_back(path.string());
  }
  auto done = test::run_program_with(test::program_named("predict"), arguments);
  INFO(done.err);
  REQUIRE(done.code == 0);
  return done;
}

TEST_CASE("a net trained with --orient gives equal masks for copies of a volume stored in three orientations",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  const std::array<const char*, 4> stored{"LPS", "LPS", "RAS", "PIR"};
  for (int i = 0; i < 4; ++i) {
    const auto name = fmt::format("c{}.nii.gz", i);
    write_world(folder / "data" / "images" / name, scan(i), stored[static_cast<std::size_t>(i)]);
    write_world(folder / "data" / "labels" / name, blob(i), stored[static_cast<std::size_t>(i)]);
  }
  const auto mixed = train(folder / "data", folder / "mixed", {"--epochs", "1"});
  CHECK(mixed.code == 0);
  CHECK_THAT(mixed.err, Contains("different directions") && Contains("PIR (c3)") && Contains("--orient RAS"));
  const auto trained = train(folder / "data", folder / "run", {"--epochs", "12", "--orient", "RAS"});
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  const auto weights = folder / "run" / "unet" / "last.safetensors";
  CHECK(nlohmann::json::parse(read_safetensors(weights).metadata.at("pam.input")).at("orient") == "RAS");
  static_cast<void>(predict_in_three_orders(folder, weights));
  const auto expected = world_of(folder / "out" / "RAS.nii.gz", "RAS");
  // A mask that says something, so that equality does too: part of the volume, and not its own mirror image.
  const auto found = expected.sum().item<std::int64_t>();
  CHECK((found > 50 && found < expected.numel() / 2));
  for (const std::int64_t axis : {0, 1, 2}) CHECK_FALSE(torch::equal(expected.flip(axis), expected));
  for (const char* code : {"LPS", "PIR"}) {
    CAPTURE(code);
    const auto mask = read_nifti(folder / "out" / (std::string(code) + ".nii.gz"));
    CHECK(mask.affine == Stored{code}.geometry().affine);
    CHECK(torch::equal(world_of(folder / "out" / (std::string(code) + ".nii.gz"), code), expected));
  }
}

TEST_CASE("a net trained without --orient on LPS turns copies in other orientations, and says so", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  for (int i = 0; i < 4; ++i) {
    write_world(folder / "data" / "images" / fmt::format("c{}.nii.gz", i), scan(i), "LPS");
    write_world(folder / "data" / "labels" / fmt::format("c{}.nii.gz", i), blob(i), "LPS");
  }
  const auto trained = train(folder / "data", folder / "run", {"--epochs", "8"});
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  CHECK(trained.err.find("turned to") == std::string::npos);
  const auto done = predict_in_three_orders(folder, folder / "run" / "unet" / "last.safetensors");
  CHECK(done.err.find("run LPS; turned") == std::string::npos);
  const auto expected = world_of(folder / "out" / "LPS.nii.gz", "LPS");
  const auto found = expected.sum().item<std::int64_t>();
  CHECK((found > 50 && found < expected.numel() / 2));
  for (const char* code : {"RAS", "PIR"}) {
    CAPTURE(code);
    CHECK_THAT(done.err, Contains(std::string(code) + ".nii.gz: its voxel axes run " + code + "; turned to LPS"));
    CHECK(torch::equal(world_of(folder / "out" / (std::string(code) + ".nii.gz"), code), expected));
  }
}

/// CT in Hounsfield units plus `shift`: air, tissue with voxels of exactly 0 HU, a lesion.
World ct(int number, int shift) {
  return [number, shift](auto r, auto a, auto s) {
    const auto noise = static_cast<double>((r * 7919 + a * 104729 + s * 1299709 + 31 * number) % 81 - 40);
    const bool air = a < 3 || r < 2;
    return (air ? -1000 : in_blob(number, r, a, s) ? 90 + noise : noise) + shift;
  };
}

/// The training loss of each epoch.
std::vector<double> losses(const std::filesystem::path& out) {
  std::vector<double> all;
  std::ifstream in(out / "unet" / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) all.push_back(nlohmann::json::parse(line).at("loss").get<double>());
  return all;
}

TEST_CASE("CT in Hounsfield units and the same plus 5000 train to equal losses", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  for (const int shift : {0, 5000}) {
    for (int i = 0; i < 4; ++i) {
      const auto data = folder / fmt::format("ct{}", shift);
      write_world(data / "images" / fmt::format("c{}.nii.gz", i), ct(i, shift), "RAS");
      write_world(data / "labels" / fmt::format("c{}.nii.gz", i), blob(i), "RAS");
    }
  }
  const auto losses_with = [&](int shift, const std::string& normalise) {
    const auto out = folder / fmt::format("{}_{}", normalise.substr(0, 6), shift);
    const auto end = train(folder / fmt::format("ct{}", shift), out, {"--epochs", "4", "--normalise", normalise});
    INFO(end.err);
    REQUIRE(end.code == 0);
    CHECK(end.err.find("warning") == std::string::npos);
    auto all = losses(out);
    REQUIRE(all.size() == 4);
    CHECK(all.back() < all.front());
    return all;
  };
  // value - low is an integer that float64 holds exactly: the networks' inputs are the same bits, and so is all else.
  CHECK(losses_with(0, "window:-100:200") == losses_with(5000, "window:4900:5200"));
  // The means differ by exactly 5000, up to their rounding in float64 (1e-12): an input voxel may differ by one unit in
  // the last place of float32, 6e-8 of it. That a loss after some 20 steps differs by 1e-5 would take more.
  const auto one = losses_with(0, "zscore"), other = losses_with(5000, "zscore");
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(std::abs(one[i] - other[i]) <= 1e-5);
}

/// What the weights of a run say under `key`.
nlohmann::json noted(const std::filesystem::path& out, const std::string& key) {
  return nlohmann::json::parse(read_safetensors(out / "unet" / "last.safetensors").metadata.at(key));
}

TEST_CASE(
    "--normalise auto is zscore for CT, zscore-nonzero for volumes with a background, and a resumed run keeps its",
    "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const auto write = [&](const char* name, const std::function<World(int)>& image) {
    for (int i = 0; i < 4; ++i) {
      write_world(folder / name / "images" / fmt::format("c{}.nii.gz", i), image(i), "RAS");
      write_world(folder / name / "labels" / fmt::format("c{}.nii.gz", i), blob(i), "RAS");
    }
  };
  write("ct", [](int i) { return ct(i, 0); });
  write("shifted", [](int i) { return ct(i, 5000); });
  write("stripped",
        [](int i) -> World { return [i](auto r, auto a, auto s) { return a < 4 ? 0 : scan(i)(r, a, s); }; });
  for (const std::string data : {"ct", "shifted"}) {
    CAPTURE(data);
    const auto end = train(folder / data, folder / ("auto_" + data), {"--epochs", "2"});
    INFO(end.err);
    REQUIRE(end.code == 0);
    CHECK_THAT(end.err, Contains("note: ") && Contains("--normalise auto is zscore here, over all voxels") &&
                            Contains(data == "ct" ? "holds negative values" : "only 0 of"));
    CHECK_THAT(end.err, !Contains("warning"));
    CHECK_THAT(end.out, Contains("z-score over all voxels (--normalise zscore)"));
    CHECK(noted(folder / ("auto_" + data), "pam.input").at("normalise") == "zscore-all");  // the file's name of it
    REQUIRE(train(folder / data, folder / ("all_" + data), {"--epochs", "2", "--normalise", "zscore"}).code == 0);
    CHECK(losses(folder / ("auto_" + data)) == losses(folder / ("all_" + data)));
  }
  const auto stripped = train(folder / "stripped", folder / "run", {"--epochs", "1"});
  INFO(stripped.err);
  REQUIRE(stripped.code == 0);
  CHECK_THAT(stripped.err, !Contains("--normalise auto is"));
  CHECK(noted(folder / "run", "pam.input").at("normalise") == "zscore");
  CHECK(noted(folder / "run", "pam.spacing").size() == 3);

  // A run from before auto was resolved: its weights say auto, which was zscore-nonzero for all volumes.
  const auto begun = folder / "auto_ct" / "unet";
  for (const char* name : {"last.safetensors", "last.state.safetensors"}) {
    auto file = read_safetensors(begun / name);
    for (auto& [key, tensor] : file.tensors) tensor = tensor.clone();
    auto input = nlohmann::json::parse(file.metadata.at("pam.input"));
    input["normalise"] = "auto";
    file.metadata["pam.input"] = input.dump();
    write_safetensors(begun / name, file.tensors, file.metadata);
  }
  const auto resumed = train(folder / "ct", folder / "auto_ct", {"--epochs", "3", "--resume", "--allow-changes"});
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  CHECK_THAT(resumed.out, Contains("--normalise zscore-nonzero"));
  CHECK(noted(folder / "auto_ct", "pam.input").at("normalise") == "zscore");
}

TEST_CASE("--normalise and --orient of BRATS and ISLES are kept with the weights; the default is named in the log",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  for (const std::string task : {"brats", "isles"}) {
    CAPTURE(task);
    const TempDir folder;
    const Trainer trainer(task, folder);
    std::vector<std::string> small{"--folds", "2", "--crop", "64x64", "--nets", "unet", "--overwrite"};
    if (task == "brats") {
      write_brats_phantom(trainer.data(), {6, {72, 68}, 4});
    } else {
      write_isles_phantom(trainer.data(), {4, {40, 44}, 3});
      small.insert(small.end(), {"--validation-share", "0"});
    }
    const auto input = [&] {
      const auto weights = read_safetensors(trainer.out() / "unet" / "last.safetensors");
      return nlohmann::json::parse(weights.metadata.at("pam.input"));
    };
    const auto plain = trainer.run(small);
    INFO(plain.err);
    REQUIRE(plain.code == 0);
    CHECK_THAT(plain.out, Contains("z-score over the voxels that are not 0 (--normalise zscore-nonzero)"));
    CHECK(input().at("normalise") == "zscore");  // the file's name of it
    CHECK_FALSE(input().contains("orient"));
    CHECK(noted(trainer.out(), "pam.modalities") == (task == "brats" ? nlohmann::json({"t1", "t1ce", "t2", "flair"})
                                                                     : nlohmann::json({"CBF", "CBV", "MTT", "Tmax"})));
    auto more = small;
    more.insert(more.end(), {"--normalise", "window:0:500", "--orient", "LPS"});
    const auto chosen = trainer.run(more);
    INFO(chosen.err);
    REQUIRE(chosen.code == 0);
    CHECK_THAT(chosen.out, Contains("0 to 500 becomes 0 to 1"));
    CHECK(input().at("normalise") == "window:0:500");
    CHECK(input().at("orient") == "LPS");
    CHECK(input().at("crop") == "64x64");
    std::filesystem::remove_all(trainer.out());
    trainer.refuses({"--normalise", "z"}, {"--normalise z", "zscore-nonzero"});
    trainer.refuses({"--orient", "RSA5"}, {"--orient RSA5"});
  }
}

}  // namespace apps_volumes_test
