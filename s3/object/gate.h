/* gate.h - what is settled between route and operation. */
#ifndef S3_OBJECT_GATE_H
#define S3_OBJECT_GATE_H

#include "s3/object/request.h"

/* r->op starts, or the request is answered; `room`: it stores something. */
void gate(struct s3_request *r, bool room);

#endif
