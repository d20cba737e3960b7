#include "libcommon/cli/template.h"
#include "libcommon/base/json.h"

#include <gtest/gtest.h>

#include <ctime>

#include "libcommon/base/error.h"

namespace proa::cli {
namespace {

using nlohmann::json;

const json kContainer = json::parse(R"({
  "ID": "0123456789ab", "Image": "docker.io/library/alpine:3", "Names": ["web", "www"], "Running": true, "ExitCode": 0, "Pid": 4242,
  "Labels": {"a": "1", "b": "two words"}, "Ratio": 0.25, "Big": 1099511627776,
  "State": {"Health": null, "Status": "running"}, "Mounts": [{"Source": "/a", "RW": true}, {"Source": "/b", "RW": false}],
  "Empty": [], "Networks": {"net1": {"IP": "10.0.0.1"}, "net2": {"IP": "10.0.0.2"}}
})");

struct Case {
  const char* text;
  const char* expected;
};

class Renders : public testing::TestWithParam<Case> {};

TEST_P(Renders, AsGoDoes) { EXPECT_EQ(render(GetParam().text, kContainer), GetParam().expected) << GetParam().text; }

INSTANTIATE_TEST_SUITE_P(
    Fields, Renders,
    testing::Values(Case{"plain", "plain"}, Case{"", ""}, Case{"{{.ID}}", "0123456789ab"},
                    Case{"{{ .ID }}|{{.Pid}}", "0123456789ab|4242"}, Case{"{{.State.Status}}", "running"},
                    Case{"{{.id}} {{.exitcode}}", "0123456789ab 0"},  // podman writes .Id, docker .ID
                    Case{"{{.State.Missing}}", "<no value>"}, Case{"{{.State.Health}}", "<no value>"},
                    Case{"{{.Names}}", "[web www]"}, Case{"{{.Labels}}", "map[a:1 b:two words]"},
                    Case{"{{.Running}} {{.Ratio}} {{.Big}}", "true 0.25 1099511627776"},
                    Case{"{{$.ID}}", "0123456789ab"}, Case{"{{(index .Mounts 1).Source}}", "/b"},
                    Case{"{{.ID}}\\t{{.Pid}}\\n", "0123456789ab\t4242\n"}));

INSTANTIATE_TEST_SUITE_P(
    Control, Renders,
    testing::Values(
        Case{"{{if .Running}}up{{else}}down{{end}}", "up"}, Case{"{{if .ExitCode}}bad{{else}}good{{end}}", "good"},
        Case{"{{if .Empty}}x{{else if .Running}}y{{else}}z{{end}}", "y"},
        Case{"{{if and .Running (not .ExitCode)}}ok{{end}}", "ok"}, Case{"{{or .Empty .ID}}", "0123456789ab"},
        Case{"{{and .Running .Pid}}", "4242"}, Case{"{{or .ExitCode .State.Health \"none\"}}", "none"},
        Case{"{{range .Names}}<{{.}}>{{end}}", "<web><www>"},
        Case{"{{range .Empty}}x{{else}}nothing{{end}}", "nothing"},
        Case{"{{range $i, $n := .Names}}{{$i}}={{$n}} {{end}}", "0=web 1=www "},
        Case{"{{range $k, $v := .Labels}}{{$k}}:{{$v}};{{end}}", "a:1;b:two words;"},
        Case{"{{range .Networks}}{{.IP}} {{end}}", "10.0.0.1 10.0.0.2 "},
        Case{"{{range .Mounts}}{{$.ID}}{{.Source}};{{end}}", "0123456789ab/a;0123456789ab/b;"},
        Case{"{{range .Names}}{{if eq . \"www\"}}{{break}}{{end}}{{.}}{{end}}", "web"},
        Case{"{{range .Names}}{{if eq . \"web\"}}{{continue}}{{end}}{{.}}{{end}}", "www"},
        Case{"{{with .State}}{{.Status}}{{end}}", "running"},
        Case{"{{with .State.Health}}h{{else}}none{{end}}", "none"},
        Case{"{{$x := .Pid}}{{$x}}{{$x = 7}}{{$x}}", "42427"},
        Case{"{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"}, Case{"a {{- .Pid -}} b", "a4242b"},
        Case{"a {{/* nothing }} */}} b", "a  b"}, Case{"a\n{{- /* x */ -}}\nb", "ab"},
        Case{"{{range $i, $e := .Mounts}}{{if $i}}, {{end}}{{.Source}}{{end}}", "/a, /b"}));

INSTANTIATE_TEST_SUITE_P(
    Functions, Renders,
    testing::Values(Case{"{{json .Labels}}", R"({"a":"1","b":"two words"})"}, Case{"{{json .State.Health}}", "null"},
                    Case{"{{.Names | json}}", R"(["web","www"])"}, Case{"{{join .Names \", \"}}", "web, www"},
                    Case{"{{len .Names}} {{len .ID}} {{len .Labels}}", "2 12 2"},
                    Case{"{{index .Names 1}} {{index .Labels \"b\"}}", "www two words"},
                    Case{"{{index .Labels \"none\"}}|", "|"}, Case{"{{index .Networks \"net2\" \"IP\"}}", "10.0.0.2"},
                    Case{"{{slice .ID 0 4}} {{slice .ID 8}}", "0123 89ab"},
                    Case{"{{upper \"ab\"}}{{lower \"CD\"}}{{title \"one two\"}}", "ABcdOne Two"},
                    Case{"{{.ID | printf \"%.4s\" | upper}}", "0123"}, Case{"{{index (split .Image \":\") 1}}", "3"},
                    Case{"{{printf \"%s has %d, %v %t %q\" .ID .Pid .Ratio .Running \"x\"}}",
                         "0123456789ab has 4242, 0.25 true \"x\""},
                    Case{"{{printf \"%-6s|%6s|%06d|%+d|%x\" \"ab\" \"cd\" 42 42 255}}", "ab    |    cd|000042|+42|ff"},
                    Case{"{{printf \"%.2f%%\" .Ratio}}", "0.25%"}, Case{"{{printf \"%d\" \"x\"}}", "%!d(string=x)"},
                    Case{"{{println .ID 1}}", "0123456789ab 1\n"}, Case{"{{print 1 2 \"a\" 3}}", "1 2a3"},
                    Case{"{{pad \"x\" 1 2}}|{{truncate .ID 3}}", " x  |012"},
                    Case{"{{eq .Pid 4242}} {{ne .Pid 1}} {{eq .ID \"x\" \"0123456789ab\"}}", "true true true"},
                    Case{"{{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge \"b\" \"a\"}}", "true true false true"},
                    Case{"{{eq 1 1.0}} {{eq .State.Health nil}}", "true true"},
                    Case{"{{`raw \\n`}}{{\"\\t\"}}", "raw \\n\t"}, Case{"{{0x10}}{{-3}}", "16-3"}));

class Refuses : public testing::TestWithParam<const char*> {};

TEST_P(Refuses, WithOneClearError) {
  try {
    std::string text = render(GetParam(), kContainer);
    FAIL() << GetParam() << " gave " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_TRUE(error.text().starts_with("template: ")) << error.text();
  }
}

INSTANTIATE_TEST_SUITE_P(Malformed, Refuses,
                         testing::Values("{{", "{{.ID", "{{}}", "{{end}}", "{{else}}", "{{if .ID}}", "{{if}}x{{end}}",
                                         "{{range}}{{end}}", "{{.ID | }}", "{{| .ID}}", "{{.ID | .Pid}}", "{{(.ID}}",
                                         "{{.ID)}}", "{{nosuch .ID}}", "{{\"open}}", "{{$x}}", "{{$x = 1}}",
                                         "{{.ID.Sub}}", "{{.State.Health.Log}}", "{{.Nmaes}}", "{{1 2}}",
                                         "{{.ID .Pid}}", "{{break}}", "{{template \"x\"}}",
                                         "{{if .ID}}a{{else}}b{{else}}c{{end}}", "{{\"\\q\"}}", "{{'ab'}}", "{{.ID!}}",
                                         "{{\"a\"\"b\"}}"));

INSTANTIATE_TEST_SUITE_P(Misused, Refuses,
                         testing::Values("{{len 3}}", "{{len}}", "{{index .Names 7}}", "{{index .Names -1}}",
                                         "{{index .Names \"x\"}}", "{{index .ID 0}}", "{{slice .ID 5 2}}",
                                         "{{slice .ID 0 99}}", "{{join .ID \",\"}}", "{{lt 1 \"a\"}}", "{{eq 1 \"a\"}}",
                                         "{{eq 1}}", "{{range 5}}{{end}}", "{{upper 1}}", "{{not}}",
                                         "{{printf \"%d %d\" 1 2 3}}", "{{printf \"%999999999d\" 1}}",
                                         "{{printf \"%\"}}", "{{pad \"x\" 100000 0}}", "{{split .ID \"\"}}",
                                         "{{$a, $b := .ID}}"));

TEST(Template, MissingFieldNamesTheNearest) {
  try {
    render("{{.Nmaes}}", kContainer);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.hint(), "did you mean .Names?");
  }
}

TEST(Template, EscapesControlCharactersOfValuesOnly) {
  json value = {{"Label", "a\x1b[2Jb\nc\td"}};
  EXPECT_EQ(render("\x1b[1m{{.Label}}", value), "\x1b[1ma\\x1b[2Jb\nc\td");
  EXPECT_EQ(Template::parse("{{.Label}}").render(value, true), "a\\x1b[2Jb\\nc\\td");
  EXPECT_EQ(render("{{json .Label}}", value), "\"a\\u001b[2Jb\\nc\\td\"");
}

TEST(Template, KnowsTheFieldsOfARow) {
  auto fields = Template::parse("{{.ID}}\t{{upper .Image}}\t{{range .Names}}{{.x}}{{end}}{{if .Up}}{{$.Pid}}{{end}}")
                    .root_fields();
  EXPECT_EQ(fields, (std::vector<std::string>{"ID", "Image", "Names", "Up", "Pid"}));
  EXPECT_TRUE(Template::parse("{{range .}}{{.ID}}{{end}}").ranges_over_root());
  EXPECT_FALSE(Template::parse("{{range .Names}}{{.}}{{end}}").ranges_over_root());
}

// Each of these would take for ever, or print without end, if nothing held it.
TEST(TemplateCeilings, HoldHostileTemplates) {
  std::clock_t start = std::clock();  // processor time: the machine may be busy
  auto refused = [](const std::string& text, const json& value) {
    try {
      render(text, value);
    } catch (const Error& error) {
      return error.code() == ErrorCode::LimitExceeded;
    }
    return false;
  };
  auto repeat = [](const std::string& text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  json list = json::array();
  for (int i = 0; i < 100; ++i) list.push_back(i);
  EXPECT_TRUE(refused("{{" + repeat("(", 5000) + "1" + repeat(")", 5000) + "}}", list));
  EXPECT_TRUE(refused(repeat("{{if true}}", 200) + repeat("{{end}}", 200), list));
  EXPECT_TRUE(refused(repeat("{{if false}}{{else if true}}", 200) + repeat("{{end}}", 200), list));
  EXPECT_TRUE(refused(repeat("{{range $}}", 20) + "x" + repeat("{{end}}", 20), list));
  EXPECT_TRUE(refused(repeat("{{range $}}", 20) + "{{$}}" + repeat("{{end}}", 20), list));
  EXPECT_TRUE(refused("{{$x := \"0123456789\"}}" + repeat("{{$x = print $x $x}}", 60), list));
  EXPECT_TRUE(refused(std::string(70000, 'x'), list));
  // A release build needs less than a second; sanitizers and no optimisation make it many times that.
  EXPECT_LT(std::clock() - start, 40 * CLOCKS_PER_SEC);
}

}  // namespace
}  // namespace proa::cli
