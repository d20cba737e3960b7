#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "libcommon/base/error.h"
#include "libcommon/base/strings.h"
#include "libcommon/network/mode.h"
#include "libcommon/network/pasta.h"
#include "libcommon/network/ports.h"
#include "libcommon/os/unique_fd.h"

namespace proa::network {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string arguments_for(const std::string& publish, bool host_loopback = false) {
  PastaRequest request;
  request.netns = "/run/n";
  request.ready_file = "/run/r";
  request.host_loopback = host_loopback;
  if (!publish.empty()) request.ports = choose_host_ports(spec::parse_publish(publish));
  return join(pasta_arguments(request), " ");
}

TEST(PastaArguments, NothingIsOpenUnlessAskedFor) {
  EXPECT_THAT(arguments_for(""), AllOf(HasSubstr("-t none -u none -T none -U none"), HasSubstr("--no-map-gw"),
                                       HasSubstr("--foreground"), HasSubstr("--netns-only")));
  EXPECT_THAT(arguments_for("", true), Not(HasSubstr("--no-map-gw")));
}

TEST(PastaArguments, PublishedPorts) {
  EXPECT_THAT(arguments_for("8080:80"), HasSubstr("-t 8080:80 -u none"));
  EXPECT_THAT(arguments_for("8080:80/udp"), HasSubstr("-t none -u 8080:80"));
  EXPECT_THAT(arguments_for("127.0.0.1:8080:80"), HasSubstr("-t 127.0.0.1/8080:80"));
  EXPECT_THAT(arguments_for("[::1]:8080:80"), HasSubstr("-t ::1/8080:80"));
  EXPECT_THAT(arguments_for("0.0.0.0:80:80"), HasSubstr("-t 80 "));
  EXPECT_THAT(arguments_for("8000-8009:9000-9009"), HasSubstr("-t 8000-8009:9000-9009 "));
  EXPECT_THROW(arguments_for("80:80/sctp"), Error);
}

TEST(Ports, AFreePortIsChosenWhereNoneIsNamed) {
  const auto ports = choose_host_ports(spec::parse_publish("127.0.0.1::80"));
  ASSERT_EQ(ports.size(), 1u);
  EXPECT_NE(ports[0].host_ports.first, 0);
  EXPECT_EQ(ports[0].host_ports.first, ports[0].host_ports.last);
}

TEST(Ports, OnePortCannotBePublishedTwice) {
  auto twice = spec::parse_publish("8080:80");
  const auto again = spec::parse_publish("8080:81");
  twice.insert(twice.end(), again.begin(), again.end());
  EXPECT_THROW(choose_host_ports(twice), Error);
}

TEST(Ports, ATakenPortIsFoundAndARangeGoesAroundIt) {
  os::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::uint16_t port = ntohs(address.sin_port);

  spec::PortMapping mapping{80, "tcp", "127.0.0.1", {port, port}};
  EXPECT_THAT(taken_ports({mapping}), ElementsAre(HasSubstr("Address already in use")));
  mapping.host_ports = {port, static_cast<std::uint16_t>(port + 50)};
  EXPECT_NE(choose_host_ports({mapping})[0].host_ports.first, port);
}

TEST(Dns, ServersOnTheHostsLoopbackAreForwarded) {
  EXPECT_THAT(plan_dns({"192.0.2.1", "127.0.0.53"}, {}).nameservers, ElementsAre("192.0.2.1"));
  const auto local = plan_dns({"127.0.0.53"}, {});
  EXPECT_THAT(local.nameservers, ElementsAre(kDnsForward));
  EXPECT_THAT(local.forward_to, ElementsAre("127.0.0.53"));
  EXPECT_THAT(plan_dns({"127.0.0.53"}, {"1.1.1.1"}).nameservers, ElementsAre("1.1.1.1"));
}

TEST(Mode, WhatCanBeAskedFor) {
  EXPECT_EQ(parse_mode("none").kind, Mode::Kind::None);
  EXPECT_EQ(parse_mode("host").kind, Mode::Kind::Host);
  EXPECT_EQ(parse_mode("bridge").kind, Mode::Kind::User);
  EXPECT_FALSE(parse_mode("pasta").host_loopback);
  EXPECT_TRUE(parse_mode("slirp4netns:allow_host_loopback=true").host_loopback);
  EXPECT_THAT(parse_mode("pasta:--mtu,1500").options, ElementsAre("--mtu", "1500"));
  EXPECT_EQ(parse_mode("container:web").container, "web");
  EXPECT_THROW(parse_mode("container:"), Error);
  EXPECT_THROW(parse_mode("mynet"), Error);
}

}  // namespace
}  // namespace proa::network
