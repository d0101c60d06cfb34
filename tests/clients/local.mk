# tests/clients - the clients of others against a cluster, and the matrix of what works.  Scripts as
# those of tests/integration, which they share lib.sh with.
CLIENT_TESTS = tests/clients/matrix.sh

check_SCRIPTS += $(CLIENT_TESTS)
INTEGRATION_TESTS += $(CLIENT_TESTS)
EXTRA_DIST += $(CLIENT_TESTS) \
	tests/clients/aws.py \
	tests/clients/client_aws_s3.py \
	tests/clients/client_aws_s3api.py \
	tests/clients/client_boto3.py \
	tests/clients/client_duplicity.py \
	tests/clients/client_rclone.py \
	tests/clients/client_requests.py \
	tests/clients/client_restic.py \
	tests/clients/client_s3cmd.py \
	tests/clients/client_s3fs.py \
	tests/clients/matrix.py \
	tests/clients/missing.txt \
	tests/clients/requests/1-checksums.req \
	tests/clients/requests/2-conditions.req \
	tests/clients/requests/3-forms.req \
	tests/clients/requests/4-defaults.req \
	tests/clients/s3sign.py \
	tests/clients/table.py
