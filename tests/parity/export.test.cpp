// SPDX-License-Identifier: MIT
// docs/export.md: what leaves pam for other runtimes, through python/pam_torch.py.
#include <pam/core/version.hpp>
#include <pam/nets/zoo.hpp>
#include <pam/weights/weights.hpp>

#include "support/catch.hpp"
#include "support/convolution_scope.hpp"
#include "support/files.hpp"
#include "support/python.hpp"
#include "support/tensor_matchers.hpp"

#include <fmt/format.h>
#include <torch/script.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace parity_export_test {

using namespace pam;
using namespace pam::test;

/// One net per kind of layer that the zoo has.
const std::vector<std::string> kNames{"unet", "d9unet", "aunet", "cscunet", "cbamunet", "gcnunet", "fpa", "rfna"};
const std::string kPackage = std::string(PAM_SOURCE_DIR) + "/python";

TEST_CASE("the Python package has the version of the library", "[parity]") {
  REQUIRE_THAT(text_of(kPackage + "/pyproject.toml"), Catch::Contains("\nversion = \"" PAM_VERSION "\"\n"));
}

TEST_CASE("C++ loads a traced net of pam_torch, which gives pam's logits at every size", "[parity]") {
  if (!python_has("torch")) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
  const TempDir folder;
  std::vector<Network> nets;
  for (const auto& name : kNames) {
    torch::manual_seed(7);
    nets.push_back(build_network({name, 2, 1, 4}));
    save_weights(*nets.back(), folder / (name + ".safetensors"),
                 {{"pam.net", nets.back().options().dump()}, {"pam.reversed", name == "rfna" ? "true" : "false"}});
  }
  run_python(R"PY(
import sys, torch
folder, package, names = sys.argv[1], sys.argv[2], sys.argv[3:]
sys.path.insert(0, package)
import pam_torch
for name in names:
    net = pam_torch.load(folder + "/" + name + ".safetensors").eval()
    torch.jit.trace(net, torch.randn(1, 2, 72, 80)).save(folder + "/" + name + ".ts")
)PY",
             [&] {
               std::vector<std::string> arguments{folder.path().string(), kPackage};
               arguments.insert(arguments.end(), kNames.begin(), kNames.end());
               return arguments;
             }());
  torch::NoGradGuard no_grad;
  const ConvolutionScope direct(kernels::Convolution::Direct);  // the bound is that of plain sums of products
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    CAPTURE(kNames[i]);
    nets[i]->eval();
    auto script = torch::jit::load((folder / (kNames[i] + ".ts")).string());
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{1, 2, 72, 80}, {3, 2, 69, 101}}) {
      const auto x = torch::randn(shape);
      // float32 in another order over the depth of a net; the bound of pam_torch.test.cpp, where both sides round too.
      REQUIRE_THAT(script.forward({x}).toTensor(), IsClose(nets[i](x)).rtol(2e-5).of_largest());
    }
    // The archive holds code, so it is no weights file.
    REQUIRE_THROWS_WITH(load_weights(*nets[i], folder / (kNames[i] + ".ts")), Catch::Contains("TorchScript"));
  }
}

TEST_CASE("an ONNX file of pam_torch gives its logits in onnxruntime, at other sizes too", "[parity]") {
  if (!python_has("torch, onnxruntime")) {
    PAM_SKIP("needs onnxruntime beside torch in Python; docs/export.md makes such a Python, PAM_PYTHON names it");
  }
  const TempDir folder;
  for (const auto& name : kNames) {
    CAPTURE(name);
    const auto command = fmt::format(
        "OMP_NUM_THREADS=1 '{0}' '{1}/pam_torch.py' --net {2} --in-channels 2 --width 4 --size 72 80 --onnx "
        "'{3}/{2}.onnx' "
        "> '{3}/log' 2>&1",
        python(), kPackage, name, folder.path().string());
    const int status = std::system(command.c_str());
    const auto log = text_of(folder / "log");
    INFO(log);
    REQUIRE(status == 0);  // pam_torch fails where onnxruntime's logits differ by 1e-4 of the largest
    REQUIRE_THAT(log, Catch::Contains("on (1, 2, 72, 80): largest relative difference") &&
                          Catch::Contains("on (2, 2, 80, 96): largest relative difference"));
  }
}

}  // namespace parity_export_test
