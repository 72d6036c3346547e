// SPDX-License-Identifier: MIT
// How the CUDA kernels are found, loaded and asked for shared memory, with a driver that only takes notes and compilers
// that only have a version.
#include <pam/kernels/detail/cuda/kernel_store.hpp>
#include <pam/kernels/detail/cuda/nvrtc.hpp>

#include "kernels/host_launcher.hpp"
#include "support/catch.hpp"

#include <fstream>
#include <map>

namespace kernels_kernel_store_test {

using namespace pam;
using namespace pam::test;
namespace cuda = pam::kernels::cuda;

/// What the driver was asked for. Its functions are plain pointers, so the notes are global.
struct Notes {
  std::vector<std::string> loaded;
  std::vector<std::pair<int, int>> attributes;  ///< which, value
  std::map<std::string, int> handles;
  std::string refused;  ///< code that the driver does not take
};
Notes& notes() {
  static Notes all;
  return all;
}

cuda::DriverFunctions note_taking_driver() {
  notes() = Notes();
  cuda::DriverFunctions d;
  d.load_module = [](void** module, const void* code) {
    const std::string text(static_cast<const char*>(code));
    notes().loaded.push_back(text);
    *module = &notes();
    return text == notes().refused ? 209 : 0;  // CUDA_ERROR_NO_BINARY_FOR_GPU
  };
  d.get_function = [](void** function, void*, const char* name) {
    *function = &notes().handles[name];
    return 0;
  };
  d.set_attribute = [](void*, int which, int value) {
    notes().attributes.emplace_back(which, value);
    return 0;
  };
  return d;
}

const cuda::Build kBuild{torch::kBFloat16, 8};
constexpr int kMaxDynamicShared = 8, kCarveout = 9;

TEST_CASE("a kernel with dynamic shared memory asks for it at its first launch", "[kernels]") {
  cuda::KernelStore store([](const std::string&, int) { return std::string("code"); });
  store.driver = note_taking_driver();
  REQUIRE(store.function(kBuild, "norm_pixel_apply", 0) != nullptr);
  REQUIRE(notes().attributes.empty());
  // 64 x 64 in float32: three planes are 48 KB, which is what a block may have, less the kernel's static memory.
  const int planes = 3 * 64 * 64 * 4;
  store.function(kBuild, "branch_plane_backward", planes);
  REQUIRE(notes().attributes == std::vector<std::pair<int, int>>{{kMaxDynamicShared, planes}, {kCarveout, 100}});
  store.function(kBuild, "branch_plane_backward", planes - 4096);  // has it already
  REQUIRE(notes().attributes.size() == 2);
  store.function(kBuild, "branch_plane_backward", planes + 4096);
  REQUIRE(notes().attributes[2] == std::pair<int, int>{kMaxDynamicShared, planes + 4096});
  store.function(kBuild, "norm_pixel_sums", 2048);  // little: the L1 cache may keep the rest
  REQUIRE(notes().attributes.back() == std::pair<int, int>{kMaxDynamicShared, 2048});
}

TEST_CASE("only the part of the kernels that is used is compiled, once", "[kernels]") {
  std::vector<std::string> sources;
  cuda::KernelStore store([&](const std::string& source, int) {
    sources.push_back(source);
    return std::string("code");
  });
  store.driver = note_taking_driver();
  REQUIRE(store.ready(torch::kBFloat16));
  REQUIRE(store.ready(torch::kBFloat16));
  REQUIRE(sources.size() == 1);
  REQUIRE(sources[0].find("PAM_PACK 8") != std::string::npos);
  store.function(kBuild, "norm_slab", 0);
  REQUIRE(sources.size() == 1);
  store.function(kBuild, "branch_pair", 0);
  store.function(kBuild, "branch_pair_backward", 0);
  REQUIRE(sources.size() == 2);
  REQUIRE(sources[1].find("void branch_pair(") == std::string::npos);  // "void __launch_bounds__(...) branch_pair("
  REQUIRE(sources[1].find("branch_pair(") != std::string::npos);
  REQUIRE(sources[1].find("upsample_concat") == std::string::npos);
  store.function({torch::kBFloat16, 1}, "norm_slab", 0);
  REQUIRE(sources.size() == 3);
  REQUIRE_THROWS_WITH(store.function(kBuild, "no_such_kernel", 0), Catch::Contains("no_such_kernel"));
}

TEST_CASE("code that the driver refuses gives way to the next compiler's", "[kernels]") {
  cuda::KernelStore store([](const std::string&, int attempt) {
    return attempt == 0 ? std::string("too new") : attempt == 1 ? std::string("right") : std::string();
  });
  store.driver = note_taking_driver();
  notes().refused = "too new";
  REQUIRE(store.ready(torch::kHalf));
  REQUIRE(notes().loaded == std::vector<std::string>{"too new", "right"});

  cuda::KernelStore none([](const std::string&, int attempt) { return std::string(attempt == 0 ? "too new" : ""); });
  none.driver = store.driver;
  REQUIRE_FALSE(none.ready(torch::kHalf));
  REQUIRE(none.reason() == "the compiled kernels could not be loaded: CUDA driver error 209");
}

TEST_CASE("LibTorch's own NVRTC, of its own version, comes before the system's", "[kernels]") {
  const auto places = cuda::Nvrtc::places({"/wheel/lib", "/wheel/nvrtc"}, 12);
  REQUIRE(places[0] == "/wheel/lib/libnvrtc.so.12");
  REQUIRE(places[3] == "/wheel/nvrtc/libnvrtc.so.12");
  const auto at = [&](const std::string& place) { return std::find(places.begin(), places.end(), place); };
  REQUIRE(at("/wheel/nvrtc/libnvrtc.so.13") < at("libnvrtc.so.12"));
  REQUIRE(at("libnvrtc.so.12") < at("libnvrtc.so.13"));
  REQUIRE(at("libnvrtc.so.13") < at("/usr/local/cuda/lib64/libnvrtc.so.12"));
  REQUIRE(at("/usr/local/cuda/lib64/libnvrtc.so.13") != places.end());
}

TEST_CASE("NVRTC is loaded in that order, from folders with several versions", "[kernels]") {
  if (HostLauncher::compiler().empty()) PAM_SKIP("no C++ compiler to make libraries with");
  const TempDir folder;
  const auto make = [&](const std::string& name, int major, int minor, bool whole = true) {
    const auto path = folder.path() / name;
    std::filesystem::create_directories(path.parent_path());
    const auto source = path.string() + ".cpp";
    std::ofstream file(source);
    file << "extern \"C\" int nvrtcVersion(int* a, int* b) { *a = " << major << "; *b = " << minor << "; return 0; }\n";
    for (const char* entry : {"CreateProgram", "CompileProgram", "DestroyProgram", "GetProgramLogSize", "GetProgramLog",
                              "GetCUBINSize", "GetCUBIN", "GetPTXSize", "GetPTX"}) {
      if (whole) file << "extern \"C\" int nvrtc" << entry << "() { return 1; }\n";
    }
    file.close();
    check(std::system((HostLauncher::compiler() + " -shared -fPIC -o " + path.string() + " " + source).c_str()) == 0,
          "no library could be made");
  };
  make("torch/libnvrtc.so.12", 12, 6);
  make("torch/libnvrtc.so.13", 13, 0);
  make("other/libnvrtc.so.12", 12, 1);
  make("broken/libnvrtc.so.12", 12, 9, /*whole=*/false);
  const auto path = [&](const char* name) { return (folder.path() / name).string(); };
  const auto version = [&](const std::vector<std::string>& folders, int major, int skipped = 0) {
    const auto found = cuda::Nvrtc::find(folders, major, skipped);
    return found ? found->version() : 0;
  };
  REQUIRE(version({path("torch"), path("other")}, 12) == 1206);
  REQUIRE(version({path("torch"), path("other")}, 13) == 1300);
  REQUIRE(version({path("torch"), path("other")}, 12, 1) == 1300);
  REQUIRE(version({path("torch"), path("other")}, 12, 2) == 1201);
  REQUIRE(version({path("nowhere"), path("broken"), path("other")}, 12) == 1201);
}

}  // namespace kernels_kernel_store_test
