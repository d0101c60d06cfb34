/* gate.h - what is settled between route and operation. */
#ifndef S3_OBJECT_GATE_H
#define S3_OBJECT_GATE_H

#include "s3/object/request.h"

/* r->op starts, or the request is answered; `room`: it stores something. */
void gate(struct s3_request *r, bool room);
/* The field names who is believed to own the bucket: then `next`, also when there is no such bucket
 * or no such field; or it is answered that it is somebody else's. */
void gate_expect(struct s3_request *r, const char *field, struct bytes bucket,
                 void (*next)(struct s3_request *r));

#endif
