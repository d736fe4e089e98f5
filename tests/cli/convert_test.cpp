// `longhaul convert` as a user meets it. Checkpoints are written, and state dicts read back, by the torch of Python.
#include "base/json.h"
#include "io/safetensors.h"
#include "io/torch_file.h"
#include "models/models.h"
#include "program_test.h"

namespace longhaul {
namespace {

// A Python that imports torch: that of the environment which holds LibTorch, or the one on the path.
std::string python() {
  static const std::string found = [] {
    for (const std::string& name : {std::string(LH_TORCH_ROOT "/../../../../bin/python3"), std::string("python3")}) {
      if (std::system(("'" + name + "' -W ignore -c 'import torch' > /dev/null 2>&1").c_str()) == 0) return name;
    }
    return std::string();
  }();
  return found;
}

class Convert : public ProgramTest {
 protected:
  int convert(const std::string& arguments) { return run("convert " + arguments); }
  void run_python(const std::string& script) {
    write_file(folder_ / "script.py", "import collections, torch\ntorch.manual_seed(1)\n" + script);
    ASSERT_EQ(run_shell("'" + python() + "' -W ignore script.py"), 0) << err_;
  }
  // A model of ours with everything drawn, as the run directory `name`.
  void make_run(const std::string& name, const std::string& position, const std::string& arch) {
    ModelOptions options;
    options.position = position;
    options.vocab = 61;
    options.trained_length = 32;
    options.seed = 3;
    save_model(*create_model(arch, options), folder_ / name);
  }
  std::string weights(const std::string& run) { return read_file(folder_ / (run + "/model.safetensors")); }
};

constexpr const char* kSmall = "gpt:layers=2,width=128,heads=2";

TEST_F(Convert, ThereAndBackIsTheSameModel) {
  struct Row {
    const char *position, *arguments;
  };
  const Row rows[] = {{"cable", "--pos cable --block-size 32"},
                      {"cable:variant=nw", "--pos cable:variant=nw --block-size 32"},
                      {"learned", ""},
                      {"alibi:variant=upstream", "--pos alibi:variant=upstream --block-size 32 --heads 2"},
                      {"t5:variant=upstream", "--block-size 32"},
                      {"kerple", "--block-size 32"},
                      {"fire:variant=upstream", "--block-size 32"},
                      {"alibi2", "--block-size 32"},
                      {"dape:base=(alibi:variant=upstream),variant=upstream", "--block-size 32"},
                      {"dape:base=(kerple),variant=upstream", "--block-size 32"},
                      {"dape:base=(fire:variant=upstream),variant=upstream", "--block-size 32"},
                      {"dape:base=(cable:variant=nw),variant=upstream",
                       "--pos 'dape:base=(cable:variant=nw),variant=upstream' --block-size 32"}};
  int number = 0;
  for (const Row& row : rows) {
    std::string name = str("run", ++number);
    make_run(name, row.position, kSmall);
    ASSERT_EQ(convert(name + " " + name + ".pt --format state_dict"), 0) << err_;
    ASSERT_EQ(convert(name + ".pt back-" + name + " " + row.arguments), 0) << err_;
    EXPECT_EQ(weights("back-" + name), weights(name)) << row.position;
    Json wanted = read_json(folder_ / (name + "/config.json")),
         found = read_json(folder_ / ("back-" + name + "/config.json"));
    wanted.erase("label");
    found.erase("label");
    EXPECT_EQ(found, wanted);
  }
}

TEST_F(Convert, TorchReadsWhatWeWriteBitForBit) {
  if (python().empty()) GTEST_SKIP() << "no Python that imports torch";
  make_run("run", "cable", kSmall);
  ASSERT_EQ(convert("run out.pt --format state_dict"), 0) << err_;
  run_python(R"(
state = torch.load('out.pt', weights_only=True)
assert type(state) is collections.OrderedDict and not any(t.requires_grad for t in state.values())
assert state['lm_head.weight'].data_ptr() == state['transformer.wte.weight'].data_ptr()
for name, tensor in sorted(state.items()):
    print(name, list(tensor.shape), bytes(tensor.contiguous().view(torch.uint8).flatten().tolist()).hex())
)");
  SafetensorsFile file = SafetensorsFile::open(folder_ / "run/model.safetensors");
  std::map<std::string, std::string> theirs;
  for (const std::string& line : split(out_, '\n')) {
    size_t space = line.find(' '), last = line.rfind(' ');
    if (space != std::string::npos) theirs[line.substr(0, space)] = line.substr(last + 1);
  }
  theirs.erase("lm_head.weight");
  ASSERT_EQ(theirs.size(), file.names().size());
  for (const std::string& name : file.names()) {
    std::string hex;
    for (std::byte byte : file.at(name).bytes) {
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x", static_cast<int>(byte));
      hex += digits;
    }
    EXPECT_EQ(theirs.at(name), hex) << name;
  }
}

// The second release's constants and first release's names, under torch.compile's prefix, in both formats of torch.save,
// transposed in memory: the weights of one model of ours.
TEST_F(Convert, TheAuthorsNamesPrefixesAndConstantsAreUnderstood) {
  if (python().empty()) GTEST_SKIP() << "no Python that imports torch";
  make_run("run", "cable:variant=v1a", kSmall);
  ASSERT_EQ(convert("run ours.pt --format state_dict"), 0) << err_;
  run_python(R"(
state = torch.load('ours.pt', weights_only=True)
theirs = collections.OrderedDict()
for name, tensor in state.items():
    theirs['_orig_mod.module.' + name.replace('cable_layer', 'b_attn')] = torch.nn.Parameter(tensor.t().contiguous().t())
for layer in range(2):
    theirs['_orig_mod.module.transformer.h.%d.attn.bias' % layer] = torch.tril(torch.ones(32, 32)).view(1, 1, 32, 32)
torch.save({'model': theirs, 'step': 7, 'val_loss': 3.5}, 'zip.pt')
torch.save({'model': theirs, 'step': 7, 'val_loss': 3.5}, 'old.pt', _use_new_zipfile_serialization=False)
rope = collections.OrderedDict((k, v) for k, v in state.items() if 'cable_layer' not in k)
for layer in range(2):
    rope['transformer.h.%d.attn.rotary_emb.freqs' % layer] = 1.0 / (10000 ** (torch.arange(0, 64, 2).float() / 64))
torch.save(rope, 'rope.pt')
rope['transformer.h.0.attn.rotary_emb.freqs'][3] *= 1.01
torch.save(rope, 'other-theta.pt')
torch.save({'model': theirs, 'optimizer': print}, 'code.pt')
)");
  for (const char* name : {"zip", "old"}) {
    ASSERT_EQ(convert(str(name, ".pt ", name)), 0) << err_;
    EXPECT_EQ(weights(name), weights("run")) << name;
    EXPECT_TRUE(contains(out_, "position: cable:variant=v1a, from b_attn\n")) << out_;
    EXPECT_TRUE(contains(out_, "heads: 2, from cable_layer.weight\n")) << out_;
    EXPECT_TRUE(contains(out_, "trained length: 32, from the causal mask\n")) << out_;
  }
  ASSERT_EQ(convert("rope.pt rope --block-size 32 --json"), 0) << err_;
  EXPECT_EQ(parse_json(out_, "stdout")["config"]["position"], "rope:variant=upstream");
  EXPECT_EQ(convert("other-theta.pt other --block-size 32"), 2);
  EXPECT_TRUE(contains(err_, "other-theta.pt: transformer.h.0.attn.rotary_emb.freqs[3]: wanted 10000^(-2k/64)"))
      << err_;
  EXPECT_EQ(convert("code.pt code"), 2);
  EXPECT_TRUE(contains(err_, "names __builtin__.print, which a file of tensors does not need: refused")) << err_;
}

TEST_F(Convert, WhatTheTensorsDoNotTellIsAskedForAndNothingIsLeftBehind) {
  make_run("cable", "cable", kSmall);
  make_run("alibi", "alibi:variant=upstream", "gpt:layers=1,width=48,heads=3");
  ASSERT_EQ(convert("cable cable.pt --format state_dict"), 0) << err_;
  ASSERT_EQ(convert("alibi alibi.pt --format state_dict"), 0) << err_;
  auto refusal = [&](const std::string& arguments) {
    EXPECT_EQ(convert(arguments), 2) << arguments;
    EXPECT_FALSE(exists(folder_ / "out"));
    return err_;
  };
  EXPECT_EQ(
      refusal("cable.pt out"),
      "longhaul: cable.pt: beside c_attn and c_proj the file has cable_layer, cable_layer_scale, which fits cable "
      "and cable:variant=7 and kcable: say which with --pos\n");
  EXPECT_EQ(
      refusal("cable.pt out --pos cable"),
      "longhaul: cable.pt: no tensor tells the trained length: say it with --block-size (the authors' models: 1k or "
      "512)\n");
  EXPECT_EQ(refusal("cable.pt out --pos cable --block-size 32 --heads 4"),
            "longhaul: cable.pt: --heads 4: cable_layer.weight says 2\n");
  EXPECT_EQ(
      refusal("alibi.pt out --pos nope --block-size 32"),
      "longhaul: alibi.pt: no tensor tells the number of heads, and a width of 48 is no multiple of 64: say it with "
      "--heads\n");
  EXPECT_TRUE(contains(refusal("cable.pt out --pos rope --block-size 32"), "unknown transformer.h.0.attn.cable_layer"));
  EXPECT_TRUE(contains(refusal("cable out"), "is a folder; --format state_dict"));
  EXPECT_TRUE(contains(refusal("cable.pt alibi"), "alibi exists already"));
  EXPECT_TRUE(contains(refusal("cable.pt out --pos cable --block-size 0"), "--block-size: wanted at least 1, got 0"));
  EXPECT_TRUE(contains(refusal("cable.pt out --pos cable --block-size 32 --dtype bf16"), "--dtype"));
  ASSERT_EQ(convert("cable.pt out --pos cable --block-size 32 --dry-run"), 0) << err_;
  EXPECT_FALSE(exists(folder_ / "out"));
}

}  // namespace
}  // namespace longhaul
