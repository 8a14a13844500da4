/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

#define CHANNELS_MIN 4u
#define CHANNELS_MAX 65536u

/* Channels are numbered from 1 (0 means none on the wire), the lowest free one first, so that the table stays short. */
int channel_take(lodge *bus, struct consumer *consumer, struct request *request, uint16_t *ret) {
        size_t i, n;
        struct channel *channels;

        for (i = 1; i < bus->n_channels; i++)
                if (!bus->channels[i].consumer && !bus->channels[i].request)
                        break;
        if (i >= bus->n_channels) {
                n = bus->n_channels > 0 ? bus->n_channels * 2 : CHANNELS_MIN;
                if (n > CHANNELS_MAX)
                        return -EMFILE;
                channels = realloc(bus->channels, n * sizeof(*channels));
                if (!channels)
                        return -ENOMEM;
                memset(channels + bus->n_channels, 0, (n - bus->n_channels) * sizeof(*channels));
                i = bus->n_channels > 0 ? bus->n_channels : 1;
                bus->channels = channels;
                bus->n_channels = n;
        }
        bus->channels[i] = (struct channel){.consumer = consumer, .request = request};
        *ret = (uint16_t) i;
        return 0;
}

void channel_free(lodge *bus, uint16_t channel) {
        if (channel < bus->n_channels)
                bus->channels[channel] = (struct channel){0};
}
