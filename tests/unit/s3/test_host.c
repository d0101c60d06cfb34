/* test_host.c - bucket names in host names. */
#include "tests/unit/t.h"
#include "s3/host.h"

T(s3_host, a_host_names_a_bucket_or_the_path_does)
{
    static const struct {
        const char *domains, *host, *bucket;
    } rows[] = {
        {"s3.example.org", "photos.s3.example.org", "photos"},
        {"s3.example.org", "photos.s3.example.org:7480", "photos"},
        {"s3.example.org", "photos.s3.example.org.", "photos"},
        {"s3.example.org", "Photos.S3.Example.ORG", "Photos"},
        {"s3.example.org", "a.b.c.s3.example.org", "a.b.c"},
        {"s3.example.org", "s3.example.org", NULL},
        {"s3.example.org", "s3.example.org:80", NULL},
        {"s3.example.org", ".s3.example.org", NULL},
        {"s3.example.org", "photoss3.example.org", NULL},
        {"s3.example.org", "photos.s3.example.com", NULL},
        {"s3.example.org", "example.org", NULL},
        {"s3.example.org", "127.0.0.1:7480", NULL},
        {"s3.example.org", "[::1]:7480", NULL},
        {"s3.example.org", "", NULL},
        {"", "photos.s3.example.org", NULL},
        {",", "photos.s3.example.org", NULL},
        {"a.org, b.org", "x.a.org", "x"},
        {"a.org, b.org", "x.b.org", "x"},
        {"a.org,b.org", "x.c.org", NULL},
        {"example.org,s3.example.org", "x.s3.example.org", "x"},
        {"s3.example.org,example.org", "x.s3.example.org", "x"},
        {"example.org,s3.example.org", "x.example.org", "x"},
        {"example.org,s3.example.org", "s3.example.org", NULL},
    };

    T_CASES (row, rows) {
        struct bytes bucket;

        T_EQ(host_bucket(BYTES_STR(row->host), row->domains, &bucket), row->bucket != NULL);
        if (row->bucket)
            T_TRUE(bytes_equal(bucket, BYTES_STR(row->bucket)));
    }
}
