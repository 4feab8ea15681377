-- The signing schemes beside `standard`. A process of the version before signs every endpoint with `standard`, so change
-- an endpoint's scheme when all workers are of this version; everything else goes on.

ALTER TABLE endpoint
  ADD COLUMN signing_algorithm text CHECK (signing_algorithm IN ('sha256', 'sha512')),
  DROP CONSTRAINT endpoint_signing_scheme_check,
  ADD CONSTRAINT endpoint_signing_scheme_check CHECK (signing_scheme IN ('standard', 'timestamped', 'digest')),
  ADD CONSTRAINT endpoint_signing_algorithm_of_digest CHECK ((signing_scheme = 'digest') = (signing_algorithm IS NOT NULL));
