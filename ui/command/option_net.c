/* The values of the network's options. */
#include "ui/command/args.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

OPTION_PARSER(net)
{
    struct metic_options *options = member;
    static const char socket_prefix[] = "socket:";
    (void)args;
    options->net_restrict = false;
    if (strcmp(value, "user") == 0 || strcmp(value, "user:restrict") == 0) {
        options->net = METIC_NET_USER;
        options->net_restrict = strchr(value, ':') != NULL;
        return true;
    }
    if (strcmp(value, "none") == 0) {
        options->net = METIC_NET_NONE;
        return true;
    }
    if (strncmp(value, socket_prefix, sizeof(socket_prefix) - 1) == 0 &&
        value[sizeof(socket_prefix) - 1] != '\0') {
        options->net = METIC_NET_SOCKET;
        options->net_path = value + sizeof(socket_prefix) - 1;
        return true;
    }
    return error_set(error, NULL, "%s: '%s' is none of: user user:restrict socket:PATH none", name,
                     value);
}

/* Digits that are a port, and behind them *rest. */
static bool value_port(const char *text, u16 *port, const char **rest)
{
    size_t digits = strspn(text, "0123456789");
    u32 number = 0;
    if (digits == 0 || digits > 5) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        number = number * 10 + (u32)(text[i] - '0');
    }
    *port = (u16)number;
    *rest = text + digits;
    return number >= 1 && number <= UINT16_MAX;
}

/* "[ADDRESS:]PORT:PORT[/tcp|/udp]" */
static bool value_forward(const char *value, struct metic_forward *forward)
{
    const char *at = value;
    size_t address_bytes = strcspn(value, ":");
    char address[INET_ADDRSTRLEN];
    struct in_addr ip4;
    *forward = (struct metic_forward){.host_ip4 = INADDR_LOOPBACK};
    if (memchr(value, '.', address_bytes) != NULL) {
        if (address_bytes >= sizeof(address) || value[address_bytes] == '\0') {
            return false;
        }
        memcpy(address, value, address_bytes);
        address[address_bytes] = '\0';
        if (inet_pton(AF_INET, address, &ip4) != 1) {
            return false;
        }
        forward->host_ip4 = ntohl(ip4.s_addr);
        at = value + address_bytes + 1;
    }
    if (!value_port(at, &forward->host_port, &at) || *at != ':' ||
        !value_port(at + 1, &forward->guest_port, &at)) {
        return false;
    }
    forward->udp = strcmp(at, "/udp") == 0;
    return forward->udp || *at == '\0' || strcmp(at, "/tcp") == 0;
}

OPTION_PARSER(forward)
{
    struct metic_options *options = member;
    (void)args;
    if (options->forward_count == METIC_MAX_FORWARDS) {
        return error_set(error, NULL, "%s: there is room for %d of them", name,
                         METIC_MAX_FORWARDS);
    }
    if (!value_forward(value, &options->forwards[options->forward_count])) {
        return error_set(error,
                         "As in --forward 2222:22 (this host's port, then the guest's), "
                         "--forward 5353:53/udp or --forward 0.0.0.0:8080:80.",
                         "%s: '%s' is not [ADDRESS:]PORT:PORT", name, value);
    }
    options->forward_count++;
    return true;
}

/* Six bytes in hexadecimal with colons between them. */
static bool value_mac(const char *value, uint8_t *mac)
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < 6; i++) {
        const char *high =
            value[0] != '\0' ? strchr(digits, tolower((unsigned char)value[0])) : NULL;
        const char *low = NULL;
        if (high != NULL && value[1] != '\0') {
            low = strchr(digits, tolower((unsigned char)value[1]));
        }
        if (low == NULL || value[2] != (i < 5 ? ':' : '\0')) {
            return false;
        }
        mac[i] = (uint8_t)((high - digits) << 4 | (low - digits));
        value += 3;
    }
    return true;
}

OPTION_PARSER(mac)
{
    struct metic_options *options = member;
    (void)args;
    if (!value_mac(value, options->mac)) {
        return error_set(error, "As in --mac 52:54:00:12:34:57.", "%s: '%s' is no address", name,
                         value);
    }
    if ((options->mac[0] & 1) != 0) {
        return error_set(error, "Take one whose second digit is even.",
                         "%s: %s is the address of a group, not of one machine", name, value);
    }
    options->mac_given = true;
    return true;
}
